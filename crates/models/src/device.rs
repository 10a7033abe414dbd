//! Devices by name.

use std::fmt;
use std::panic::catch_unwind;
use std::str::FromStr;

use burn::tensor::{Device, Tensor};

use crate::error::ModelError;

/// The name of a device, as the program's flag has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// Burn's flex backend: threads and SIMD.
    #[default]
    Cpu,
    /// Burn's ndarray backend, which Burn deprecates (feature `ndarray`).
    Ndarray,
    /// An NVIDIA GPU by its index (feature `cuda`).
    Cuda(usize),
    /// A discrete Vulkan GPU by its index, or the best Vulkan device (feature `vulkan`).
    Vulkan(Option<usize>),
    /// The same by whatever the system has, Metal and DirectX too; on Vulkan with shaders that
    /// drivers understand which fail on those of the device above (feature `wgpu`).
    Wgpu(Option<usize>),
}

const KNOWN: [&str; 5] = ["cpu", "ndarray", "cuda[:i]", "vulkan[:i]", "wgpu[:i]"];

impl FromStr for DeviceName {
    type Err = ModelError;

    fn from_str(given: &str) -> Result<Self, ModelError> {
        let unknown =
            || ModelError::UnknownDevice { given: given.to_owned(), known: KNOWN.to_vec() };
        let (name, index) = match given.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (given, None),
        };
        match (name, index) {
            ("cpu", None) => Ok(Self::Cpu),
            ("ndarray", None) => Ok(Self::Ndarray),
            ("cuda", index) => Ok(Self::Cuda(index.unwrap_or(0))),
            ("vulkan", index) => Ok(Self::Vulkan(index)),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Ndarray => f.write_str("ndarray"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Vulkan(Some(index)) => write!(f, "vulkan:{index}"),
            Self::Vulkan(None) => f.write_str("vulkan"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
            Self::Wgpu(None) => f.write_str("wgpu"),
        }
    }
}

impl DeviceName {
    /// The first device of every kind, whether or not this build has a backend for it.
    pub const KINDS: [Self; 5] =
        [Self::Cpu, Self::Ndarray, Self::Cuda(0), Self::Vulkan(None), Self::Wgpu(None)];

    /// Whether it is a GPU, or a driver that does as if it were.
    pub fn is_gpu(self) -> bool {
        !matches!(self, Self::Cpu | Self::Ndarray)
    }

    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceNotBuilt`], and [`ModelError::DeviceFailed`] where the machine hasn't
    /// got it (GPU backends panic there; a tiny product tries it out).
    pub fn open(self) -> Result<Device, ModelError> {
        let name = self.to_string();
        let device = match self {
            Self::Cpu => Device::flex(),
            Self::Ndarray => ndarray(name)?,
            Self::Cuda(index) => cuda(name, index)?,
            Self::Vulkan(index) => vulkan(name, index)?,
            Self::Wgpu(index) => wgpu(name, index)?,
        };
        if self.is_gpu() { tried(self, device) } else { Ok(device) }
    }
}

fn tried(name: DeviceName, device: Device) -> Result<Device, ModelError> {
    let probe = device.clone();
    let outcome =
        catch_unwind(move || Tensor::<2>::ones([2, 2], &probe).sum().try_into_data().map(|_| ()));
    let problem = match outcome {
        Ok(Ok(())) => return Ok(device),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its driver or the device itself isn't there".to_owned(),
    };
    Err(ModelError::DeviceFailed { device: name.to_string(), problem })
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "kept for comparisons until Burn removes it")]
fn ndarray(_: String) -> Result<Device, ModelError> {
    Ok(Device::ndarray())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray(device: String) -> Result<Device, ModelError> {
    Err(ModelError::DeviceNotBuilt { device, feature: "ndarray" })
}

#[cfg(feature = "cuda")]
fn cuda(_: String, index: usize) -> Result<Device, ModelError> {
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(device: String, _: usize) -> Result<Device, ModelError> {
    Err(ModelError::DeviceNotBuilt { device, feature: "cuda" })
}

#[cfg(feature = "vulkan")]
fn vulkan(_: String, index: Option<usize>) -> Result<Device, ModelError> {
    use burn::tensor::DeviceKind;
    Ok(Device::vulkan(index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(device: String, _: Option<usize>) -> Result<Device, ModelError> {
    Err(ModelError::DeviceNotBuilt { device, feature: "vulkan" })
}

#[cfg(feature = "wgpu")]
fn wgpu(_: String, index: Option<usize>) -> Result<Device, ModelError> {
    use burn::tensor::DeviceKind;
    Ok(Device::wgpu(index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(device: String, _: Option<usize>) -> Result<Device, ModelError> {
    Err(ModelError::DeviceNotBuilt { device, feature: "wgpu" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_as_they_are_read() {
        for name in ["cpu", "ndarray", "cuda:0", "vulkan:3", "vulkan", "wgpu:1", "wgpu"] {
            assert_eq!(
                name.parse::<DeviceName>().map(|d| d.to_string()).ok().as_deref(),
                Some(name)
            );
        }
        assert_eq!("cuda".parse::<DeviceName>().ok(), Some(DeviceName::Cuda(0)));
        for name in ["gpu", "cpu:1", "cuda:x", ""] {
            assert!(
                matches!(name.parse::<DeviceName>(), Err(ModelError::UnknownDevice { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_device_that_is_not_built_says_how_to_build_it() {
        if !cfg!(feature = "cuda") {
            let message = DeviceName::Cuda(0).open().map_err(|e| e.to_string()).err();
            let expected =
                "this program was built without device 'cuda:0': build it with --features cuda";
            assert_eq!(message.as_deref(), Some(expected));
        }
    }
}
