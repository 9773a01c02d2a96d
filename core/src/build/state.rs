//! What a stage is: configuration, layers and arguments, as its instructions have left them so far.

use rustix::fs::Mode;
use serde_json::{Value, json};

use super::epoch::Epoch;
use super::solver::Site;
use super::variables::Arguments;
use crate::error::Result;
use crate::image::ImageHandle;
use crate::image::built::{self, Layer, Layers};
use crate::image::config::{History, ImageConfig, RootFs};
use crate::image::digest::Digest;
use crate::sys::{clock, directory};

/// What of a step's key says how steps are done: another number, and nothing that was done before counts.
const VERSION: u32 = 1;

/// What a stage is, at some point of its way.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) config: ImageConfig,
    /// The image it began with, and its architecture; `None`: with nothing.
    pub(super) image: Option<(String, String)>,
    /// Directories of its layers, top first. The lowest is an empty one: overlayfs wants something below.
    pub(super) lower: Vec<String>,
    /// Its layers as the image will have them, lowest first.
    pub(super) layers: Layers,
    /// The topmost layer.
    pub(super) top: Option<Digest>,
    pub(super) arguments: Arguments,
    /// A `CMD` was given in this stage.
    pub(super) has_cmd: bool,
    /// Rows of the history that others have written.
    pub(super) below: usize,
    pub(super) epoch: Option<Epoch>,
    /// When its last files were made, nanoseconds since 1970; 0: there are none.
    pub(super) time: i64,
}

impl State {
    /// Nothing.
    pub(super) fn empty(site: &Site<'_>) -> Result<State> {
        let path = site.lease.path().join("empty");
        directory::make(&path, Mode::from(0o755))?;
        let platform = &site.request.platform;
        let config = ImageConfig {
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os: platform.os.clone(),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            ..ImageConfig::default()
        };
        Ok(State {
            config,
            image: None,
            lower: vec![path.to_string_lossy().into_owned()],
            layers: Vec::new(),
            top: None,
            arguments: Vec::new(),
            has_cmd: false,
            below: 0,
            epoch: site.request.epoch,
            time: 0,
        })
    }

    /// Have the layers and the configuration of an image.
    pub(super) fn stand_on(&mut self, site: &Site<'_>, image: ImageHandle) -> Result<()> {
        let layout = site.engine.layout();
        self.layers = built::base(site.engine, &image)?;
        self.top = built::top(&image.config.rootfs.diff_ids);
        let layers =
            image.layers.iter().map(|layer| layout.layer(layer).to_string_lossy().into_owned());
        self.lower.splice(0..0, layers);
        self.image = Some((image.id, image.config.architecture.clone()));
        self.time = image.config.created_ns();
        self.config = image.config;
        self.below = self.config.history.len();
        self.config.pass_on();
        Ok(())
    }

    /// The cache's key of what is done next.
    pub(super) fn key(&self, operation: &Value) -> Digest {
        // serde_json's maps are sorted: the same text every time.
        let mut key = json!({
            "version": VERSION,
            "below": self.top.as_ref().map(Digest::as_str),
            "operation": operation,
        });
        if let Some(epoch) = self.epoch {
            key["epoch"] = json!(epoch);
        }
        Digest::of(key.to_string().as_bytes())
    }

    /// Stand on one more layer, if there is one; `text` is the instruction that made it.
    pub(super) fn stand(
        &mut self,
        site: &Site<'_>,
        text: &str,
        layer: Option<Layer>,
        created: i64,
    ) {
        self.time = created;
        let Some(layer) = layer else { return self.tell(text, true) };
        let stored = || site.engine.layout().layer(layer.chain.hex());
        let directory = layer.directory.unwrap_or_else(stored);
        self.lower.insert(0, directory.to_string_lossy().into_owned());
        self.layers.push((layer.blob, None));
        self.config.rootfs.diff_ids.push(layer.diff_id);
        self.top = Some(layer.chain);
        self.tell(text, false);
    }

    /// Write an instruction into the history.
    pub(super) fn tell(&mut self, text: &str, empty_layer: bool) {
        self.config.history.push(History {
            created: if self.time == 0 { String::new() } else { clock::rfc3339(self.time) },
            created_by: text.to_owned(),
            empty_layer,
            ..History::default()
        });
    }
}
