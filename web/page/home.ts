import { homeOf } from "../shared/home";

/** The path of this page's folder. */
export const home = homeOf(location.pathname);
