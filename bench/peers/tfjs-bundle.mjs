// TensorFlow.js as one module. Its own bundles leave the gradients out, and its single modules name each other in a way
// that no browser follows.
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-webgpu";

export * from "@tensorflow/tfjs-core";
