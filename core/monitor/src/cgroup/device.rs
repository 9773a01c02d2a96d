//! Which devices a container may use: the rules of `linux.resources.devices`.
//!
//! The specification has them applied in order, so that of all rules that match an access the last one counts. cgroup v1
//! takes rules one by one into a list of exceptions from one default (Documentation/admin-guide/cgroup-v1/devices.rst),
//! which can say less: an exception is taken back whole or not at all. What it cannot say is refused here. cgroup v2
//! has a BPF program instead ([`super::device_program`]), which says exactly what the rules do.

use crate::oci::DeviceRule;
use crate::protocol::Failure;

/// `mknod`, reading and writing, as the kernel's BPF_DEVCG_ACC_ constants number them.
pub(super) const MKNOD: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
const EVERYTHING: u8 = MKNOD | READ | WRITE;

/// Kinds of device, as BPF_DEVCG_DEV_ constants number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Block = 1,
    Character = 2,
}

/// A rule, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    /// `None`: both kinds.
    pub(super) kind: Option<Kind>,
    /// `None`: any.
    pub(super) major: Option<u32>,
    /// `None`: any.
    pub(super) minor: Option<u32>,
    /// Bits of [`MKNOD`], [`READ`] and [`WRITE`].
    pub(super) access: u8,
}

impl Rule {
    pub(super) fn parse(rule: &DeviceRule) -> Result<Rule, Failure> {
        let wrong = |what: &str| Failure::invalid(format!("device rule: {what}"));
        let kind = match rule.kind.as_str() {
            "" | "a" => None,
            "b" => Some(Kind::Block),
            "c" | "u" => Some(Kind::Character),
            other => return Err(wrong(&format!("no such type of device: {other:?}"))),
        };
        let number = |n: Option<i64>| match n {
            None | Some(-1) => Ok(None),
            Some(n) => {
                u32::try_from(n).map(Some).map_err(|_| wrong(&format!("no such number: {n}")))
            }
        };
        let (major, minor) = (number(rule.major)?, number(rule.minor)?);
        let mut access = 0;
        for letter in rule.access.chars() {
            access |= match letter {
                'r' => READ,
                'w' => WRITE,
                'm' => MKNOD,
                other => return Err(wrong(&format!("no such access: {other:?}"))),
            };
        }
        if access == 0 {
            access = EVERYTHING;
        }
        Ok(Rule { allow: rule.allow, kind, major, minor, access })
    }

    /// It speaks about every access to every device.
    fn is_total(&self) -> bool {
        self.same_devices(&Rule { kind: None, major: None, minor: None, ..*self })
            && self.access == EVERYTHING
    }

    fn same_devices(&self, other: &Rule) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    fn shares_a_device_with(&self, other: &Rule) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        (self.kind.is_none() || other.kind.is_none() || self.kind == other.kind)
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
    }

    /// The rule as `devices.allow` and `devices.deny` read it. They take a total rule only as `a`, and no rule that is
    /// for both kinds otherwise: [`for_v1`] has split those.
    fn text(&self) -> String {
        let kind = match self.kind {
            None => return "a *:* rwm".to_owned(),
            Some(Kind::Block) => 'b',
            Some(Kind::Character) => 'c',
        };
        let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
        let mut text = format!("{kind} {}:{} ", number(self.major), number(self.minor));
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if self.access & bit != 0 {
                text.push(letter);
            }
        }
        text
    }
}

/// The files of cgroup v1 to write, in order: `devices.allow` or `devices.deny`, and the value.
pub(super) fn for_v1(rules: &[Rule]) -> Result<Vec<(&'static str, String)>, Failure> {
    // What was said before the last total rule does not count any more.
    let start = rules.iter().rposition(Rule::is_total).unwrap_or(0);
    let mut writes = Vec::new();
    let mut exceptions: Vec<Rule> = Vec::new();
    // A cgroup begins with what its parent may use; above the containers that is everything.
    let mut default_allow = true;
    for rule in &rules[start..] {
        let file = if rule.allow { "devices.allow" } else { "devices.deny" };
        if rule.is_total() {
            default_allow = rule.allow;
            writes.push((file, rule.text()));
            continue;
        }
        for rule in split_kinds(rule) {
            if rule.allow == default_allow {
                // It takes exceptions back. The kernel does that only for the very same devices.
                let overlapping = exceptions.iter().any(|e| {
                    e.shares_a_device_with(&rule)
                        && e.access & rule.access != 0
                        && !e.same_devices(&rule)
                });
                if overlapping {
                    return Err(Failure::unsupported(format!(
                        "device rule {:?} overlaps with an earlier one; cgroup v1 cannot say that",
                        rule.text()
                    )));
                }
            } else {
                exceptions.push(rule);
            }
            writes.push((file, rule.text()));
        }
    }
    Ok(writes)
}

fn split_kinds(rule: &Rule) -> impl Iterator<Item = Rule> {
    let rule = *rule;
    let kinds: &[Kind] = match rule.kind {
        None => &[Kind::Block, Kind::Character],
        Some(Kind::Block) => &[Kind::Block],
        Some(Kind::Character) => &[Kind::Character],
    };
    kinds.iter().map(move |kind| Rule { kind: Some(*kind), ..rule })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `deny a`, `allow c 1:3 rw` and so on.
    pub(in crate::cgroup) fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| Rule::parse(&document(text)).unwrap()).collect()
    }

    fn document(text: &str) -> DeviceRule {
        let words: Vec<&str> = text.split(' ').collect();
        let numbers = words.get(2).map(|n| n.split_once(':').unwrap());
        let number = |n: &str| if n == "*" { None } else { Some(n.parse().unwrap()) };
        DeviceRule {
            allow: words[0] == "allow",
            kind: words[1].to_owned(),
            major: numbers.and_then(|(n, _)| number(n)),
            minor: numbers.and_then(|(_, n)| number(n)),
            access: words.get(3).unwrap_or(&"").to_string(),
        }
    }

    #[test]
    fn v1_gets_each_rule_as_its_files_read_it() {
        let writes = for_v1(&rules(&["deny a", "allow c 1:3 rwm", "allow b *:* m"])).unwrap();
        assert_eq!(
            writes,
            [
                ("devices.deny", "a *:* rwm".to_owned()),
                ("devices.allow", "c 1:3 rwm".to_owned()),
                ("devices.allow", "b *:* m".to_owned()),
            ]
        );
    }

    #[test]
    fn v1_does_not_get_what_a_total_rule_overrules() {
        let writes = for_v1(&rules(&["deny a", "allow c 1:3 r", "allow a"])).unwrap();
        assert_eq!(writes, [("devices.allow", "a *:* rwm".to_owned())]);
    }

    #[test]
    fn v1_takes_back_the_same_devices_but_not_a_part_of_others() {
        assert!(for_v1(&rules(&["deny a", "allow c 1:3 rw", "deny c 1:3 w"])).is_ok());
        let refused = for_v1(&rules(&["deny a", "allow c *:* rw", "deny c 1:3 w"]));
        assert!(refused.unwrap_err().message.contains("c 1:3 w"));
        let refused = for_v1(&rules(&["allow a", "deny c 1:3 rw", "allow c *:* w"]));
        assert!(refused.is_err());
    }

    #[test]
    fn a_rule_for_both_kinds_becomes_two() {
        let writes = for_v1(&rules(&["deny a", "allow a 10:* m"])).unwrap();
        assert_eq!(writes[1..].iter().map(|w| &*w.1).collect::<Vec<_>>(), ["b 10:* m", "c 10:* m"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in ["allow x", "allow c 1:3 rq", "allow c 1:-2 r"] {
            assert!(Rule::parse(&document(wrong)).is_err(), "{wrong}");
        }
    }
}
