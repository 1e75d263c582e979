// Trusted Types: permits the page to start scripts from its own addresses and from no others.

interface Policy {
  createScriptURL(address: string): unknown;
}

/** The policy named in index.html; a page may create it only once. */
let policy: Policy | undefined;
const ours = new Set<string>();

/** Wraps one of the page's own addresses for browsers that enforce Trusted Types. */
export function trusted(address: string): unknown {
  ours.add(address);
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
  policy ??= trustedTypes?.createPolicy("lorito-worker", {
    createScriptURL(given) {
      if (!ours.has(given)) throw new TypeError(`no worker starts from ${given}`);
      return given;
    },
  });
  return policy ? policy.createScriptURL(address) : address;
}
