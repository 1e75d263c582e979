// Trusted Types: the addresses that this page starts scripts from, and no others, are let through.

interface Policy {
  createScriptURL(address: string): unknown;
}

/** The policy named in index.html; a page may make it once. */
let policy: Policy | undefined;
const ours = new Set<string>();

/** An address of ours, in the form that a browser with Trusted Types asks for. */
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
