// Bundles TensorFlow.js into one module. Its own bundles lack the gradients, and its ES modules use imports without file
// extensions, which browsers do not resolve.
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-webgpu";

export * from "@tensorflow/tfjs-core";
