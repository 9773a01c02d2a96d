//! Seccomp profiles in Docker's format: which rules of a profile hold for a container.
//!
//! A profile is the OCI document with conditions on its rules (capabilities the container has, the machine's architecture,
//! the kernel's version) and a map of architectures. The default one, `seccomp_default.json`, has the rules of Docker's as
//! of moby/profiles in May 2026 (address families as a list of allowed ones since CVE-2026-31431), without those for
//! architectures barque doesn't run on, and with one difference: `socketcall`, behind which no filter sees an address
//! family, is only there for images that are 32-bit themselves. Docker has it for all and relies on AppArmor there.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use barque_monitor::seccomp::{Action, Condition, Filter, Rule, Seccomp};
use serde::de::{Deserialize, Deserializer, Visitor};

use super::capabilities::{self, Capabilities};
use super::host::HostFacts;
use crate::error::{Error, Result};

static DEFAULT: &str = include_str!("seccomp_default.json");

/// What the rules of a profile may ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// The machine's architecture, as Docker writes it.
    architecture: &'static str,
    /// Version of the kernel.
    kernel: (u32, u32),
    /// The image is of a 32-bit architecture, by this name.
    image: Option<&'static str>,
    /// What the container may have.
    capabilities: Capabilities,
}

/// The default profile, compiled. Nearly all containers of a program have the same one, so the last is remembered.
pub(super) fn default(circumstances: &Circumstances) -> Result<Seccomp> {
    static LAST: Mutex<Option<(Circumstances, Seccomp)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, document)) = &*last
        && of == circumstances
    {
        return Ok(document.clone());
    }
    let rules = default_rules(circumstances)?;
    let filter = Filter::compile(&rules)
        .map_err(|error| Error::internal("compile the default seccomp profile").because(error))?;
    let document = Seccomp { program: filter.numbers(), syscalls: Vec::new(), ..rules };
    *last = Some((*circumstances, document.clone()));
    Ok(document)
}

/// The default profile's rules.
pub(super) fn default_rules(circumstances: &Circumstances) -> Result<Seccomp> {
    parse(DEFAULT)?.evaluate(circumstances)
}

/// The document of a profile from the caller, and what the caller should know about it.
pub(super) fn custom(text: &str, circumstances: &Circumstances) -> Result<(Seccomp, Vec<String>)> {
    let document = parse(text)?.evaluate(circumstances)?;
    // The monitor compiles it again; here it is for the error, and for misspelt names.
    let filter = Filter::compile(&document).map_err(|error| Error::invalid(error.to_string()))?;
    let unknown = filter.unknown_names();
    let warnings = match unknown {
        [] => Vec::new(),
        names => vec![format!(
            "seccomp profile: no system call is called {}: no effect",
            names.join(", ")
        )],
    };
    Ok((document, warnings))
}

fn parse(text: &str) -> Result<Profile<'_>> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("decoding seccomp profile failed: {error}")).with_reason("bad_json")
    })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile<'a> {
    default_action: Action,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<Machine>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    #[serde(borrow)]
    syscalls: Option<Vec<ProfileRule<'a>>>,
}

/// The ABIs of one architecture.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileRule<'a> {
    /// An older form of `names`.
    #[serde(borrow)]
    name: Option<Name<'a>>,
    #[serde(borrow)]
    names: Option<Vec<Name<'a>>>,
    action: Action,
    errno_ret: Option<u32>,
    args: Option<Vec<Condition>>,
    #[serde(default)]
    includes: Option<When>,
    #[serde(default)]
    excludes: Option<When>,
}

/// Circumstances in which a rule holds, or doesn't.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct When {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// A name that isn't copied, where the text has it as it is.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a system call")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Profile<'_> {
    fn evaluate(&self, circumstances: &Circumstances) -> Result<Seccomp> {
        let architectures = match (&self.architectures, &self.arch_map) {
            (Some(list), Some(map)) if !list.is_empty() && !map.is_empty() => {
                return Err(Error::invalid(
                    "'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or \
                     'archMap'",
                ));
            }
            (Some(list), _) if !list.is_empty() => list.clone(),
            (_, Some(map)) => self.mapped(map, circumstances),
            _ => Vec::new(),
        };
        let mut document = Seccomp {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone().filter(|path| !path.is_empty()),
            ..Seccomp::default()
        };
        for rule in self.syscalls.iter().flatten() {
            if !rule.holds(circumstances) {
                continue;
            }
            let names = match (&rule.name, &rule.names) {
                (Some(name), None) => vec![name.0.clone().into_owned()],
                (None, Some(names)) => {
                    names.iter().map(|name| name.0.clone().into_owned()).collect()
                }
                (Some(name), Some(names)) if names.is_empty() => vec![name.0.clone().into_owned()],
                (Some(name), Some(names)) if name.0.is_empty() => {
                    names.iter().map(|name| name.0.clone().into_owned()).collect()
                }
                (Some(_), Some(_)) => {
                    return Err(Error::invalid(
                        "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'",
                    ));
                }
                (None, None) => continue,
            };
            document.syscalls.push(Rule {
                names,
                action: rule.action,
                errno_ret: rule.errno_ret,
                args: rule.args.clone().unwrap_or_default(),
            });
        }
        Ok(document)
    }

    fn mapped(&self, map: &[Machine], circumstances: &Circumstances) -> Vec<String> {
        let native = match circumstances.architecture {
            "arm64" => "SCMP_ARCH_AARCH64",
            _ => "SCMP_ARCH_X86_64",
        };
        let machine = map.iter().filter(|machine| machine.architecture == native);
        machine
            .flat_map(|machine| {
                let subs = machine.sub_architectures.iter().flatten().cloned();
                std::iter::once(machine.architecture.clone()).chain(subs)
            })
            .collect()
    }
}

impl ProfileRule<'_> {
    fn holds(&self, circumstances: &Circumstances) -> bool {
        let architecture = |names: &[String]| names.iter().any(|name| circumstances.is(name));
        let capability = |name: &String| {
            capabilities::named(name).is_some_and(|number| circumstances.capabilities.has(number))
        };
        let kernel = |version: &Option<String>| {
            version
                .as_deref()
                .filter(|version| !version.is_empty())
                .map(|version| circumstances.kernel_is(version))
        };
        let excluded = self.excludes.as_ref().is_some_and(|excludes| {
            architecture(some(&excludes.arches))
                || some(&excludes.caps).iter().any(capability)
                || kernel(&excludes.min_kernel) == Some(true)
        });
        let included = self.includes.as_ref().is_none_or(|includes| {
            let arches = some(&includes.arches);
            (arches.is_empty() || architecture(arches))
                && some(&includes.caps).iter().all(capability)
                && kernel(&includes.min_kernel) != Some(false)
        });
        included && !excluded
    }
}

/// A list that need not be there.
fn some(list: &Option<Vec<String>>) -> &[String] {
    list.as_deref().unwrap_or_default()
}

impl Circumstances {
    /// `image` is the image's architecture, as Docker writes it.
    pub(super) fn new(facts: &HostFacts, image: &str, capabilities: Capabilities) -> Circumstances {
        let image = match image {
            "386" => Some("x86"),
            "arm" => Some("arm"),
            _ => None,
        };
        let HostFacts { architecture, kernel, .. } = *facts;
        Circumstances { architecture, kernel, image, capabilities }
    }

    /// Whether a profile's name for an architecture means this machine, or the image.
    fn is(&self, name: &str) -> bool {
        name == self.architecture || self.image == Some(name)
    }

    /// Whether the kernel is of a version, `4.8`, or a later one.
    fn kernel_is(&self, version: &str) -> bool {
        let mut numbers =
            version.split('.').map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
        self.kernel >= (numbers.next().unwrap_or(u32::MAX), numbers.next().unwrap_or(0))
    }
}
