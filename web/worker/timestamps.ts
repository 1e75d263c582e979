// Makes the feature "timestamp-query" optional: CubeCL requires it at the start, but then never uses it, as the engine does
// not measure in this way. Some GPUs lack it (those of Intel Macs, some Androids) and support everything else. So every
// adapter claims to have it, and it is removed from the browser's request for a device.

const feature = "timestamp-query";

/** Call before the engine starts. */
export function doWithoutTimestamps(): void {
  if (!("GPUAdapter" in globalThis)) return;
  const { has } = GPUSupportedFeatures.prototype;
  GPUSupportedFeatures.prototype.has = function (name) {
    return name === feature || has.call(this, name);
  };
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (descriptor = {}) {
    const requiredFeatures = [...(descriptor.requiredFeatures ?? [])].filter((name) => name !== feature);
    return requestDevice.call(this, { ...descriptor, requiredFeatures });
  };
}
