//! The door to the numbers of a Flex tensor: Flex keeps them in ordinary memory, so a fused body can read them as a
//! slice, with no copy, where the GPU would need a read-back.

use burn::{
    backend::{BackendTensor, DispatchDevice, DispatchTensorKind, flex::FlexTensor},
    tensor::{Device, Tensor, TensorData},
};

/// The numbers of one Flex tensor, contiguous.
pub struct Host(FlexTensor);

impl Host {
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().expect("made contiguous by `host`")
    }
}

/// The numbers of `tensor` when it lives on Flex; `None` on any other engine. Copies only what is not contiguous.
pub fn host<const D: usize>(tensor: &Tensor<D>) -> Option<Host> {
    if !on_host(&tensor.device()) {
        return None;
    }
    let DispatchTensorKind::Flex(BackendTensor::Float(flex)) = tensor.clone().into_dispatch().kind else { return None };
    let contiguous = if flex.as_slice::<f32>().is_some() { flex } else { flex.to_contiguous() };
    Some(Host(contiguous))
}

/// Runs `change` on the numbers of `tensor`, in place where nothing else holds them.
///
/// # Panics
/// When the tensor is not on Flex; ask [`on_host`] first.
pub fn host_mut<const D: usize>(tensor: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let mut dispatch = tensor.into_dispatch();
    let DispatchTensorKind::Flex(BackendTensor::Float(flex)) = &mut dispatch.kind else {
        panic!("host_mut needs a Flex tensor")
    };
    if flex.as_slice::<f32>().is_none_or(|values| values.len() * 4 != flex.bytes().len()) {
        *flex = flex.to_contiguous();
    }
    change(flex.storage_mut());
    Tensor::from_dispatch(dispatch)
}

/// Whether tensors of this device live in ordinary memory.
pub fn on_host(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// A piece of a flat tensor from number `start` on, as a tensor of its own in the same memory. `start`: a multiple of 64.
pub fn piece<const P: usize>(flat: &Tensor<1>, start: usize, shape: [usize; P]) -> Tensor<P> {
    if !on_host(&flat.device()) {
        return super::gpu::piece(flat, start, shape);
    }
    flat.clone().narrow(0, start, shape.iter().product()).reshape(shape)
}

/// A tensor of `values` on `device`, without a copy on Flex.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
