// What naga's Metal needs of Metal's standard library, in CUDA C++: nvidia.mjs compiles its output for NVIDIA's GPUs.
#include <cuda_fp16.h>

typedef unsigned int uint;
typedef __half half;

namespace metal {

using ::uint;

template <typename T, int N> struct vector;

template <typename T> struct alignas(2 * sizeof(T)) vector<T, 2> {
  T x, y;
  vector() = default;
  __device__ vector(T a) : x(a), y(a) {}
  __device__ vector(T a, T b) : x(a), y(b) {}
};

template <typename T> struct vector<T, 3> {
  T x, y, z;
  vector() = default;
  __device__ vector(T a) : x(a), y(a), z(a) {}
  __device__ vector(T a, T b, T c) : x(a), y(b), z(c) {}
};

template <typename T> struct alignas(4 * sizeof(T)) vector<T, 4> {
  T x, y, z, w;
  vector() = default;
  __device__ vector(T a) : x(a), y(a), z(a), w(a) {}
  __device__ vector(T a, T b, T c, T d) : x(a), y(b), z(c), w(d) {}
  template <typename U> __device__ explicit vector(vector<U, 4> v) : x(T(v.x)), y(T(v.y)), z(T(v.z)), w(T(v.w)) {}
  __device__ T &operator[](uint at) { return (&x)[at]; }
  __device__ const T &operator[](uint at) const { return (&x)[at]; }
};

typedef vector<float, 2> float2;
typedef vector<float, 3> float3;
typedef vector<float, 4> float4;
typedef vector<half, 2> half2;
typedef vector<half, 4> half4;
typedef vector<uint, 2> uint2;
typedef vector<uint, 3> uint3;
typedef vector<uint, 4> uint4;
typedef vector<bool, 4> bool4;

#define LANES(n) template <typename T> __device__ inline vector<T, n>

#define OPERATOR(op) \
  LANES(2) operator op(vector<T, 2> a, vector<T, 2> b) { return {a.x op b.x, a.y op b.y}; } \
  LANES(4) operator op(vector<T, 4> a, vector<T, 4> b) { return {a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w}; } \
  LANES(2) operator op(vector<T, 2> a, T b) { return a op vector<T, 2>(b); } \
  LANES(4) operator op(vector<T, 4> a, T b) { return a op vector<T, 4>(b); } \
  LANES(2) operator op(T a, vector<T, 2> b) { return vector<T, 2>(a) op b; } \
  LANES(4) operator op(T a, vector<T, 4> b) { return vector<T, 4>(a) op b; }
OPERATOR(+)
OPERATOR(-)
OPERATOR(*)
OPERATOR(/)
LANES(2) operator-(vector<T, 2> a) { return {-a.x, -a.y}; }
LANES(4) operator-(vector<T, 4> a) { return {-a.x, -a.y, -a.z, -a.w}; }

// Functions of a number, for which browsers take the fast ones of the GPU.
__device__ inline float exp(float x) { return __expf(x); }
__device__ inline float exp2(float x) { return exp2f(x); }
__device__ inline float log(float x) { return __logf(x); }
__device__ inline float log2(float x) { return __log2f(x); }
__device__ inline float sqrt(float x) { return __fsqrt_rn(x); }
__device__ inline float rsqrt(float x) { return rsqrtf(x); }
__device__ inline float tanh(float x) { return tanhf(x); }
__device__ inline float abs(float x) { return fabsf(x); }
__device__ inline float floor(float x) { return floorf(x); }
__device__ inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline half fma(half a, half b, half c) { return __hfma(a, b, c); }
__device__ inline half exp(half x) { return hexp(x); }
__device__ inline half sqrt(half x) { return hsqrt(x); }
__device__ inline float min(float a, float b) { return fminf(a, b); }
__device__ inline float max(float a, float b) { return fmaxf(a, b); }
__device__ inline half min(half a, half b) { return __hmin(a, b); }
__device__ inline half max(half a, half b) { return __hmax(a, b); }
__device__ inline uint min(uint a, uint b) { return a < b ? a : b; }
__device__ inline uint max(uint a, uint b) { return a > b ? a : b; }
__device__ inline int min(int a, int b) { return a < b ? a : b; }
__device__ inline int max(int a, int b) { return a > b ? a : b; }
__device__ inline float clamp(float x, float low, float high) { return min(max(x, low), high); }
__device__ inline half clamp(half x, half low, half high) { return min(max(x, low), high); }
__device__ inline uint clamp(uint x, uint low, uint high) { return min(max(x, low), high); }
__device__ inline int clamp(int x, int low, int high) { return min(max(x, low), high); }
template <typename T> __device__ inline T select(T otherwise, T then, bool condition) { return condition ? then : otherwise; }
template <typename V> __device__ inline V select(V otherwise, V then, bool4 c) {
  return V(c.x ? then.x : otherwise.x, c.y ? then.y : otherwise.y, c.z ? then.z : otherwise.z, c.w ? then.w : otherwise.w);
}

#define FUNCTION(f) \
  LANES(2) f(vector<T, 2> a) { return {f(a.x), f(a.y)}; } \
  LANES(4) f(vector<T, 4> a) { return {f(a.x), f(a.y), f(a.z), f(a.w)}; }
FUNCTION(exp)
FUNCTION(log)
FUNCTION(sqrt)
FUNCTION(rsqrt)
FUNCTION(tanh)
FUNCTION(abs)
#define FUNCTION2(f) \
  LANES(2) f(vector<T, 2> a, vector<T, 2> b) { return {f(a.x, b.x), f(a.y, b.y)}; } \
  LANES(4) f(vector<T, 4> a, vector<T, 4> b) { return {f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w)}; }
FUNCTION2(min)
FUNCTION2(max)
LANES(2) fma(vector<T, 2> a, vector<T, 2> b, vector<T, 2> c) { return {fma(a.x, b.x, c.x), fma(a.y, b.y, c.y)}; }
LANES(4) fma(vector<T, 4> a, vector<T, 4> b, vector<T, 4> c) {
  return {fma(a.x, b.x, c.x), fma(a.y, b.y, c.y), fma(a.z, b.z, c.z), fma(a.w, b.w, c.w)};
}
template <typename T> __device__ inline T dot(vector<T, 2> a, vector<T, 2> b) { return a.x * b.x + a.y * b.y; }
template <typename T> __device__ inline T dot(vector<T, 4> a, vector<T, 4> b) {
  return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

enum class mem_flags { mem_none, mem_device, mem_threadgroup };
__device__ inline void threadgroup_barrier(mem_flags) { __syncthreads(); }

} // namespace metal
