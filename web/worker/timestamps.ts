// CubeCL asks for a GPU that tells the time ("timestamp-query") before it starts, and then never asks for the time: the
// engine measures nothing in this way. Some GPUs cannot (those of Intel Macs, some of Androids), and do all the rest. So it is
// told that each one can, and the browser is never asked for a device that does.

const feature = "timestamp-query";

/** To be called before the engine starts. */
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
