//! The door to the numbers of a Flex tensor: Flex keeps them in ordinary memory, so a fused body can read them as a
//! slice, with no copy, where the GPU would need a read-back.

use burn::{
    backend::{
        BackendTensor, DispatchDevice, DispatchTensorKind, Flex,
        flex::{FlexTensor, Layout},
    },
    tensor::{Bytes, DType, Device, Tensor},
};

/// The numbers of one Flex tensor, row after row.
pub struct Host(FlexTensor);

impl Host {
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().expect("every tensor here lies row after row")
    }
}

/// The numbers of `tensor` when it lives on Flex; `None` on any other engine.
pub fn host<const D: usize>(tensor: &Tensor<D>) -> Option<Host> {
    if !on_host(&tensor.device()) {
        return None;
    }
    let DispatchTensorKind::Flex(BackendTensor::Float(flex)) = tensor.clone().into_dispatch().kind else { return None };
    Some(Host(flex))
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
    assert_eq!(flex.layout().num_elements() * 4, flex.bytes().len(), "a piece cannot be changed for itself");
    change(flex.storage_mut());
    Tensor::from_dispatch(dispatch)
}

/// Whether tensors of this device live in ordinary memory.
pub fn on_host(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// A piece of a flat tensor from number `start` on, as a tensor of its own in the same memory. `start`: a multiple of 64.
pub(super) fn piece<const P: usize>(flat: &Tensor<1>, start: usize, shape: [usize; P]) -> Tensor<P> {
    let DispatchTensorKind::Flex(BackendTensor::Float(whole)) = flat.clone().into_dispatch().kind else {
        return super::gpu::piece(flat, start, shape);
    };
    let piece = whole.narrow(0, start, shape.iter().product()).reshape(shape.into());
    Tensor::from_primitive::<Flex>(piece)
}

/// A tensor of `values` on `device`, without a copy on Flex. Burn's own `from_data` would do; but what it brings along for
/// tensors of other kinds is a tenth of the page's download.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    assert_eq!(values.len(), shape.iter().product::<usize>(), "numbers for another shape");
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => {
            let layout = Layout::contiguous(shape.into());
            Tensor::from_primitive::<Flex>(FlexTensor::new(Bytes::from_elems(values), layout, DType::F32))
        }
        DispatchDevice::Cube(device) => super::gpu::tensor(&values, shape, device),
    }
}
