// `?class` in the address: the page as a class needs it. styles/class.css hides what a beginner need not see; nothing works
// otherwise than it does, and the person can have all of it at any time, with nothing lost.

const name = "class";

/** Whether the page hides what a beginner need not see. */
export function isClassView(): boolean {
  return document.documentElement.classList.contains("class-view");
}

/** Shows the page as its address asks. */
export function followAddress(): void {
  const asked = new URLSearchParams(location.search).has(name);
  document.documentElement.classList.toggle("class-view", asked);
}

/** Shows everything from here on, after a reload, too. */
export function showEverything(): void {
  const address = new URL(location.href);
  address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
  followAddress();
}

/** The link to these settings in a language; `forClass`: with the page as a class needs it. Text and model are not in it. */
export function linkTo(hash: string, language: string, forClass: boolean): string {
  const query = `?lang=${encodeURIComponent(language)}${forClass ? `&${name}` : ""}`;
  return location.origin + location.pathname + query + (hash ? `#${hash}` : "");
}
