// A libvulkan.so.1 that stands between Dawn and the real loader, so that a driver's compiler can be read on a machine
// without its GPU. Pipelines are created by the driver, with the statistics that VK_KHR_pipeline_executable_properties
// defines, and these are appended to the file LORITO_STATISTICS. Commands are neither recorded nor submitted.
// LORITO_VULKAN: path of the real loader.
//   cc -shared -fPIC -O1 -o libvulkan.so.1 vulkan.c
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The parts of Vulkan's interface that are used here, so that no headers have to be installed.
typedef void (*Function)(void);
typedef Function (*GetFunction)(void *, const char *);
enum {
  FEATURES_TYPE = 1000269000, // VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR
  PIPELINE_TYPE,              // VkPipelineInfoKHR
  EXECUTABLE_TYPE,            // VkPipelineExecutablePropertiesKHR
  EXECUTABLE_INFO_TYPE,       // VkPipelineExecutableInfoKHR
  STATISTIC_TYPE,             // VkPipelineExecutableStatisticKHR
  TEXT_TYPE,                  // VkPipelineExecutableInternalRepresentationKHR
  CAPTURE = 0x40 | 0x80,      // VK_PIPELINE_CREATE_CAPTURE_STATISTICS and _INTERNAL_REPRESENTATIONS
  FLOAT = 3,                  // VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR
};
struct device_info { // VkDeviceCreateInfo
  int32_t type;
  const void *next;
  uint32_t flags, queues;
  const void *queue_infos;
  uint32_t layers;
  const char *const *layer_names;
  uint32_t extensions;
  const char *const *extension_names;
  const void *features;
};
struct features { int32_t type; const void *next; uint32_t on; };
struct stage { int32_t type; const void *next; uint32_t flags, stage; uint64_t module; const char *entry; const void *constants; };
struct compute_info { // VkComputePipelineCreateInfo
  int32_t type;
  const void *next;
  uint32_t flags;
  struct stage stage;
  uint64_t layout, base;
  int32_t base_index;
};
struct pipeline { int32_t type; const void *next; uint64_t pipeline; };
struct executable { int32_t type; void *next; uint32_t stages; char name[256], description[256]; uint32_t subgroup; };
struct executable_info { int32_t type; const void *next; uint64_t pipeline; uint32_t index; };
struct statistic { int32_t type; void *next; char name[256], description[256]; int32_t format; union { uint64_t whole; double real; } value; };
struct text { int32_t type; void *next; char name[256], description[256]; uint32_t is_text; size_t size; void *data; };

static GetFunction instance_function, device_function;
static void *the_instance;

static Function of_device(void *device, const char *name) { return device_function(device, name); }

/** Writes the statistics and the texts of a pipeline's only executable. */
static void write_statistics(void *device, uint64_t handle, const char *entry) {
  const char *path = getenv("LORITO_STATISTICS");
  FILE *out = path ? fopen(path, "a") : 0;
  if (!out) return;
  int32_t (*statistics)(void *, const void *, uint32_t *, void *) = (void *)of_device(device, "vkGetPipelineExecutableStatisticsKHR");
  int32_t (*texts)(void *, const void *, uint32_t *, void *) = (void *)of_device(device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  int32_t (*executables)(void *, const void *, uint32_t *, void *) = (void *)of_device(device, "vkGetPipelineExecutablePropertiesKHR");
  struct pipeline of = { PIPELINE_TYPE, 0, handle };
  struct executable executable = { EXECUTABLE_TYPE };
  uint32_t count = 1;
  executables(device, &of, &count, &executable);
  fprintf(out, "pipeline\t%s\nstatistic\tSubgroup\t%u\n", entry, executable.subgroup);
  struct executable_info info = { EXECUTABLE_INFO_TYPE, 0, handle, 0 };
  count = 0;
  statistics(device, &info, &count, 0);
  struct statistic *of_it = calloc(count, sizeof *of_it);
  for (uint32_t at = 0; at < count; at++) of_it[at].type = STATISTIC_TYPE;
  statistics(device, &info, &count, of_it);
  for (uint32_t at = 0; at < count; at++) {
    if (of_it[at].format == FLOAT) fprintf(out, "statistic\t%s\t%g\n", of_it[at].name, of_it[at].value.real);
    else fprintf(out, "statistic\t%s\t%llu\n", of_it[at].name, (unsigned long long)of_it[at].value.whole);
  }
  free(of_it);
  count = 0;
  texts(device, &info, &count, 0);
  struct text *read = calloc(count, sizeof *read);
  for (uint32_t at = 0; at < count; at++) read[at].type = TEXT_TYPE;
  texts(device, &info, &count, read);
  for (uint32_t at = 0; at < count; at++) read[at].data = calloc(read[at].size + 1, 1);
  texts(device, &info, &count, read);
  for (uint32_t at = 0; at < count; at++) {
    // NIR and the compiler's own language are long, and not needed.
    if (read[at].is_text && strstr(read[at].name, "ssembly")) fprintf(out, "text\t%s\n%s\nend of text\n", read[at].name, (char *)read[at].data);
    free(read[at].data);
  }
  free(read);
  fclose(out);
}

static int32_t create_compute_pipelines(void *device, uint64_t cache, uint32_t count, const struct compute_info *infos, const void *allocator, uint64_t *pipelines) {
  int32_t (*create)(void *, uint64_t, uint32_t, const struct compute_info *, const void *, uint64_t *) = (void *)of_device(device, "vkCreateComputePipelines");
  int32_t result = 0;
  for (uint32_t at = 0; at < count && result == 0; at++) {
    struct compute_info info = infos[at];
    info.flags |= CAPTURE;
    result = create(device, cache, 1, &info, allocator, &pipelines[at]);
    if (result == 0) write_statistics(device, pipelines[at], info.stage.entry);
  }
  return result;
}

static int32_t create_device(void *physical, const struct device_info *given, const void *allocator, void **device) {
  int32_t (*create)(void *, const struct device_info *, const void *, void **) = (void *)instance_function(the_instance, "vkCreateDevice");
  struct features features = { FEATURES_TYPE, given->next, 1 };
  const char *names[256];
  struct device_info info = *given;
  memcpy(names, given->extension_names, given->extensions * sizeof *names);
  names[info.extensions++] = "VK_KHR_pipeline_executable_properties";
  info.extension_names = names;
  info.next = &features;
  return create(physical, &info, allocator, device);
}

/** In the place of every function that records, submits or waits for commands: a result, VK_SUCCESS, or none. */
static int32_t nothing(void) { return 0; }

static Function replaced(const char *name) {
  static const char *const unneeded[] = {
    "vkBeginCommandBuffer", "vkEndCommandBuffer", "vkResetCommandBuffer", "vkResetCommandPool", "vkQueueSubmit",
    "vkQueueSubmit2", "vkQueueWaitIdle", "vkDeviceWaitIdle", "vkWaitForFences", "vkGetFenceStatus", "vkResetFences",
  };
  if (!strncmp(name, "vkCmd", 5)) return (Function)nothing;
  for (size_t at = 0; at < sizeof unneeded / sizeof *unneeded; at++) {
    if (!strcmp(name, unneeded[at])) return (Function)nothing;
  }
  return 0;
}

static Function get_device_function(void *device, const char *name) {
  Function real = of_device(device, name);
  if (!real) return 0;
  if (!strcmp(name, "vkCreateComputePipelines")) return (Function)create_compute_pipelines;
  Function other = replaced(name);
  return other ? other : real;
}

__attribute__((visibility("default"))) Function vkGetInstanceProcAddr(void *instance, const char *name) {
  if (!instance_function) {
    void *loader = dlopen(getenv("LORITO_VULKAN"), RTLD_NOW | RTLD_LOCAL);
    if (!loader) return 0;
    instance_function = (GetFunction)dlsym(loader, "vkGetInstanceProcAddr");
  }
  Function real = instance_function(instance, name);
  if (instance) the_instance = instance;
  if (!real) return 0;
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (Function)vkGetInstanceProcAddr;
  if (!strcmp(name, "vkCreateDevice")) return (Function)create_device;
  if (!strcmp(name, "vkGetDeviceProcAddr")) {
    device_function = (GetFunction)real;
    return (Function)get_device_function;
  }
  return real;
}
