//! Tensors of the GPU as the buffers that kernels are given. A kernel writes into a buffer in place, whoever else holds
//! it: that is what makes one flat array of all gradients possible, whose pieces the kernels fill one by one.

use burn::{
    backend::{BackendTensor, BackendTypes, Cube, DispatchTensorKind},
    tensor::{Device, Int, Tensor},
};
use cubecl::{client::Client, prelude::*};

type CubeTensor = <Cube as BackendTypes>::FloatTensorPrimitive;

/// The tensor's memory and the queue of its GPU.
///
/// # Panics
/// When the tensor lives elsewhere, or does not lie row after row as its shape says.
fn primitive<const D: usize>(tensor: &Tensor<D>) -> CubeTensor {
    let DispatchTensorKind::Cube(BackendTensor::Float(tensor)) = tensor.clone().into_dispatch().kind else {
        panic!("a tensor of the CPU among those of the GPU")
    };
    assert!(tensor.is_contiguous(), "pieces are counted in a tensor that lies row after row");
    tensor
}

pub fn client<const D: usize>(tensor: &Tensor<D>) -> Client {
    primitive(tensor).client
}

/// A kernel's argument.
pub fn buffer<const D: usize>(tensor: &Tensor<D>) -> BufferArg {
    primitive(tensor).into_buffer_arg()
}

/// A kernel's argument, of whole numbers.
pub fn ids(tensor: &Tensor<1, Int>) -> BufferArg {
    let DispatchTensorKind::Cube(BackendTensor::Int(tensor)) = tensor.clone().into_dispatch().kind else {
        panic!("a tensor of the CPU among those of the GPU")
    };
    tensor.into_buffer_arg()
}

/// Memory that a kernel is about to fill whole. In tests it holds NaN, so that a number left out is seen.
pub fn empty<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    if cfg!(test) { Tensor::full(shape, f32::NAN, device) } else { Tensor::empty(shape, device) }
}

/// Workgroups for `threads` threads in groups of `group`, in a grid that no dimension of WebGPU's limit (65,535) is too
/// small for. Kernels compare their position with the count.
pub fn groups(threads: usize, group: u32) -> CubeCount {
    let count = threads.div_ceil(group as usize) as u32;
    let rows = count.div_ceil(32_768).max(1);
    CubeCount::Static(count.div_ceil(rows), rows, 1)
}

/// A piece of a tensor from number `start` on, as a tensor of its own in the same memory. WebGPU binds buffers from
/// multiples of 256 bytes only.
///
/// # Panics
/// When the piece begins elsewhere, or goes beyond the end.
pub fn piece<const D: usize, const P: usize>(tensor: &Tensor<D>, start: usize, shape: [usize; P]) -> Tensor<P> {
    let (len, whole): (usize, usize) = (shape.iter().product(), tensor.dims().iter().product());
    assert!(start.is_multiple_of(64) && start + len <= whole, "{start} + {len} of {whole}");
    let mut dispatch = tensor.clone().into_dispatch();
    let CubeTensor { client, handle, device, dtype, .. } = primitive(tensor);
    let handle = handle.offset_start(4 * start as u64).offset_end(4 * (whole - start - len) as u64);
    let piece = CubeTensor::new_contiguous(client, device, shape.into(), handle, dtype);
    dispatch.kind = DispatchTensorKind::Cube(BackendTensor::Float(piece));
    Tensor::from_dispatch(dispatch)
}

/// The numbers of a tensor, once the GPU has computed them.
pub async fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.clone().into_data_async().await.map_err(|error| error.to_string())?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}
