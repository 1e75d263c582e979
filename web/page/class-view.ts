// Implements `?class` in the address, a simpler page for classrooms. styles/class.css hides advanced parts; nothing
// else changes, and the user can show everything at any time without losing anything.

const name = "class";

/** Whether advanced parts are hidden. */
export function isClassView(): boolean {
  return document.documentElement.classList.contains("class-view");
}

/** Applies the address's `?class`. */
export function followAddress(): void {
  const asked = new URLSearchParams(location.search).has(name);
  document.documentElement.classList.toggle("class-view", asked);
}

/** Shows everything from now on, also after a reload. */
export function showEverything(): void {
  const address = new URL(location.href);
  address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
  followAddress();
}

/** A link to these settings in a language; `forClass`: with `?class`. Text and model are not part of it. */
export function linkTo(hash: string, language: string, forClass: boolean): string {
  const query = `?lang=${encodeURIComponent(language)}${forClass ? `&${name}` : ""}`;
  return location.origin + location.pathname + query + (hash ? `#${hash}` : "");
}
