//! Tensors of the GPU as the buffers that kernels are given. A kernel writes into a buffer in place, whoever else holds
//! it: that is what makes one flat array of all gradients possible, whose pieces the kernels fill one by one.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use burn::{
    backend::{BackendTensor, BackendTypes, Cube, DispatchDevice, DispatchTensorKind},
    tensor::{DType, Device, Tensor},
};
use cubecl::{client::Client, prelude::*, server::Handle};
use half::f16;

use super::failure::failure;
use crate::ops::Precision;

type CubeTensor = <Cube as BackendTypes>::FloatTensorPrimitive;
type CubeDevice = <Cube as BackendTypes>::Device;

/// The tensor's memory and the queue of its GPU.
///
/// # Panics
/// When the tensor lives elsewhere.
fn primitive<const D: usize>(tensor: &Tensor<D>) -> CubeTensor {
    let DispatchTensorKind::Cube(BackendTensor::Float(tensor)) = tensor.clone().into_dispatch().kind else {
        panic!("a tensor of the CPU among those of the GPU")
    };
    tensor
}

fn of_handle<const D: usize>(
    client: Client,
    device: CubeDevice,
    shape: [usize; D],
    handle: Handle,
    dtype: DType,
) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(CubeTensor::new_contiguous(client, device, shape.into(), handle, dtype))
}

fn gpu(device: &Device) -> &CubeDevice {
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => device,
        DispatchDevice::Flex(_) => panic!("the CPU taken for a GPU"),
    }
}

/// Numbers uploaded to the GPU.
pub fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &CubeDevice) -> Tensor<D> {
    let client = device.client();
    let handle = client.create_from_slice(f32::as_bytes(values));
    of_handle(client, device.clone(), shape, handle, DType::F32)
}

/// Whole numbers on the GPU: token ids, places.
#[derive(Clone)]
pub struct Integers {
    handle: Handle,
    len: usize,
}

impl Integers {
    pub fn new(values: &[i32], device: &Device) -> Self {
        Self { handle: gpu(device).client().create_from_slice(i32::as_bytes(values)), len: values.len() }
    }

    pub fn count(&self) -> usize {
        self.len
    }

    /// As a kernel's argument.
    pub fn buffer(&self) -> BufferArg {
        // SAFETY: the handle is of that many numbers.
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }
}

pub fn client<const D: usize>(tensor: &Tensor<D>) -> Client {
    primitive(tensor).client
}

/// A kernel's argument.
pub fn buffer<const D: usize>(tensor: &Tensor<D>) -> BufferArg {
    primitive(tensor).into_buffer_arg()
}

/// Memory that a kernel is about to fill whole. In tests and checks it holds NaN, so that a number left out is seen.
pub fn empty<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    empty_of(Precision::Single, shape, device)
}

/// The same for numbers as precise as those of `like`.
pub fn empty_like<const D: usize>(like: &Tensor<D>, shape: [usize; D]) -> Tensor<D> {
    let precision = if is_half(like) { Precision::Half } else { Precision::Single };
    empty_of(precision, shape, &like.device())
}

/// The same for numbers of a given precision.
pub fn empty_of<const D: usize>(precision: Precision, shape: [usize; D], device: &Device) -> Tensor<D> {
    let (device, len) = (gpu(device), shape.iter().product::<usize>());
    let (dtype, size) = match precision {
        Precision::Single => (DType::F32, 4),
        Precision::Half => (DType::F16, 2),
    };
    let client = device.client();
    // Whole numbers of four bytes, as WebGPU copies no less.
    let bytes = (size * len).next_multiple_of(4);
    if cfg!(test) || POISONING.get() {
        // NaN of either precision.
        let handle = client.create_from_slice(&vec![0xff; bytes]);
        return of_handle(client, device.clone(), shape, handle, dtype);
    }
    let handle = reused(bytes).unwrap_or_else(|| {
        let handle = client.empty(bytes);
        keep(bytes, &handle);
        handle
    });
    of_handle(client, device.clone(), shape, handle, dtype)
}

/// Whether the tensor holds numbers of half precision.
pub fn is_half<const D: usize>(tensor: &Tensor<D>) -> bool {
    primitive(tensor).dtype == DType::F16
}

/// Whether the GPU computes with numbers of half precision.
pub fn supports_half(device: &Device) -> bool {
    gpu(device).client().properties().supports_type(cubecl::ir::ElemType::Float(cubecl::ir::FloatKind::F16))
}

thread_local! {
    static POISONING: Cell<bool> = const { Cell::new(false) };
}

/// From now on memory that a kernel is about to fill holds NaN, as it does in tests.
pub fn poison() {
    POISONING.set(true);
}

thread_local! {
    /// Every piece of memory that kernels have filled, by its bytes, for the next tensor of as many: a training step
    /// asks for the same lengths in the same order each time. CubeCL's own pools give a step new pages where the last
    /// step's are still being read, which takes half as much memory again and never comes to an end.
    static KEPT: RefCell<HashMap<usize, Vec<Handle>>> = RefCell::default();
}

/// Memory of that length that no tensor holds any more. What is still queued on the GPU comes before what will use it.
fn reused(bytes: usize) -> Option<Handle> {
    KEPT.with_borrow(|kept| kept.get(&bytes)?.iter().find(|handle| handle.can_mut()).cloned())
}

fn keep(bytes: usize, handle: &Handle) {
    let held = handle.clone();
    // `can_mut`: nobody but the pool and one more holds it. Both this copy and the tensor do now; if it is said all the
    // same, the pool has yet to take its share (natively it works in a thread of its own), and counting would go wrong.
    if !held.can_mut() {
        KEPT.with_borrow_mut(|kept| kept.entry(bytes).or_default().push(held));
    }
}

/// Gives back all memory that no tensor holds: when a model goes, another one's tensors have other lengths.
pub fn release() {
    KEPT.with_borrow_mut(HashMap::clear);
}

/// Workgroups for `threads` threads in groups of `group`, in a grid that no dimension of WebGPU's limit (65,535) is too
/// small for. Kernels compare their position with the count.
pub fn groups(threads: usize, group: u32) -> CubeCount {
    let count = threads.div_ceil(group as usize) as u32;
    let rows = count.div_ceil(32_768).max(1);
    CubeCount::Static(count.div_ceil(rows), rows, 1)
}

/// A piece of a tensor from number `start` on, as a tensor of its own in the same memory. WebGPU binds buffers from
/// multiples of 256 bytes only: 64 numbers, or 128 of half precision.
///
/// # Panics
/// When the piece begins elsewhere, or goes beyond the end.
pub fn piece<const D: usize, const P: usize>(tensor: &Tensor<D>, start: usize, shape: [usize; P]) -> Tensor<P> {
    let (len, whole): (usize, usize) = (shape.iter().product(), tensor.dims().iter().product());
    let CubeTensor { client, handle, device, dtype, .. } = primitive(tensor);
    let size = dtype.size();
    assert!((start * size).is_multiple_of(256) && start + len <= whole, "{start} + {len} of {whole}");
    let handle = handle.offset_start((size * start) as u64).offset_end((size * (whole - start - len)) as u64);
    of_handle(client, device, shape, handle, dtype)
}

/// The numbers of a tensor, once the GPU has computed them; why not, if it has not: in words, for developers.
pub async fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>, String> {
    let len = tensor.dims().iter().product();
    let half = is_half(tensor);
    let CubeTensor { client, handle, .. } = primitive(tensor);
    let bytes = client.read_async(vec![handle]).await.map_err(|error| format!("{error:?}"))?;
    if let Some(reason) = failure() {
        return Err(reason);
    }
    let bytes = bytes.first().ok_or("nothing was read")?;
    if half {
        let numbers = bytes.as_chunks::<2>().0.iter().take(len);
        return Ok(numbers.map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect());
    }
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::{super::failure, *};
    use crate::ops::testing::gpu_device;

    #[test]
    fn nothing_is_read_once_a_kernel_has_not_started() {
        let numbers = crate::ops::tensor(vec![1.0], [1], &gpu_device());
        assert_eq!(block_on(read(&numbers)), Ok(vec![1.0]));
        failure::note_failure("its groups are too large");
        failure::note_failure("what it computes is missing");
        assert_eq!(block_on(read(&numbers)), Err("its groups are too large".into()));
        assert_eq!(failure::take_failure(), Some("its groups are too large".into()));
        assert_eq!(block_on(read(&numbers)), Ok(vec![1.0]));
    }
}
