//! Checks the GPU against the CPU on the first batch of a run.

use super::{Model, Session};
use crate::{
    device::Engine,
    error::{Error, Result},
    train::{SelfCheck, SelfCheckResult},
};

impl Session {
    /// Copies the model and batch of the run's first step. On the CPU there is nothing to check, and on the GPU nothing
    /// if the kernels of the run have been checked before.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) async fn begin_self_check(&mut self) -> Result<()> {
        self.self_check = None;
        if self.engine == Engine::Cpu {
            return Ok(());
        }
        let Model { gpt, trainer, data, .. } = self.model()?;
        let data = data.as_ref().ok_or(Error::NoRun)?;
        let progress = trainer.progress();
        let kernels = self.kernels_of(&gpt.config, &progress.config);
        let kernels = format!("{kernels} {}", gpt.adapter().is_some());
        if !self.checked.contains(&kernels) {
            let check = SelfCheck::new(gpt, data, &progress.config, progress.step).await?;
            self.self_check = Some((kernels, check));
        }
        Ok(())
    }

    /// Computes the step on both engines; `None` if there is nothing to check.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) async fn finish_self_check(&mut self) -> Result<Option<SelfCheckResult>> {
        let Some((kernels, check)) = self.self_check.take() else { return Ok(None) };
        let found = check.compare(&self.device).await?;
        self.checked.push(kernels);
        Ok(Some(found))
    }
}
