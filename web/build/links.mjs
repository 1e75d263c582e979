// Checks the lesson's links, "[words|term]": each refers to a glossary term, and all languages have the same links.

/** Returns the terms that an entry links to, in order. */
export function linksOf(entry) {
  const texts = typeof entry === "string" ? [entry] : Object.values(entry);
  return texts.flatMap((text) => [...text.matchAll(/\[[^\]|]+\|([^\]]+)\]/g)].map(([, term]) => term));
}

/** Returns the faults of the links in one of the lesson's tables. */
export function linkFaults(name, table, english) {
  const terms = new Set(Object.keys(table).flatMap((key) => key.match(/^term\.(.+)$/)?.[1] ?? []));
  const about = new Set(Object.keys(table).flatMap((key) => key.match(/^about\.(.+)$/)?.[1] ?? []));
  const half = [...new Set([...terms, ...about])].filter((term) => !terms.has(term) || !about.has(term));
  const wrong = half.map((term) => `${name}: ${term} needs both term.${term} and about.${term}`);
  for (const [key, entry] of Object.entries(table)) {
    const links = linksOf(entry);
    const unknown = links.filter((term) => !terms.has(term));
    wrong.push(...unknown.map((term) => `${name}: ${key} links ${term}, which the glossary has not`));
    if (new Set(links).size < links.length) wrong.push(`${name}: ${key} links a term twice`);
    if (key in english && String(links.toSorted()) !== String(linksOf(english[key]).toSorted()))
      wrong.push(`${name}: ${key} links other terms than in en.json`);
    const texts = typeof entry === "string" ? [entry] : Object.values(entry);
    if (texts.some((text) => /[[\]|]/.test(text.replace(/\[[^\]|[]+\|[a-z0-9-]+\]/g, ""))))
      wrong.push(`${name}: ${key} has a bracket that is no link`);
  }
  return wrong;
}
