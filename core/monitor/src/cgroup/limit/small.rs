//! Controllers with one limit: pids, hugetlb, rdma, net_cls, net_prio; and v2 files that the caller names itself.

use super::{Setting, Settings};
use crate::oci::Resources;
use crate::protocol::Failure;

pub(super) fn pids(resources: &Resources) -> Settings {
    let limit = resources.pids.as_ref().map_or(0, |p| p.limit);
    // Both versions begin with `max`.
    let value = if limit < 0 { "max".to_owned() } else { limit.to_string() };
    Ok(if limit == 0 { Vec::new() } else { vec![Setting::new("pids limit", "pids.max", value)] })
}

pub(super) fn huge_pages_v1(resources: &Resources) -> Settings {
    huge_pages(resources, "limit_in_bytes", "rsvd.limit_in_bytes")
}

pub(super) fn huge_pages_v2(resources: &Resources) -> Settings {
    huge_pages(resources, "max", "rsvd.max")
}

/// The limit on what is used, and (since Linux 5.7) on what is reserved: without the second a process that maps more
/// than it may use is killed by SIGBUS when it touches it, with it mmap(2) fails.
fn huge_pages(resources: &Resources, used: &str, reserved: &str) -> Settings {
    let mut settings = Vec::new();
    for limit in &resources.hugepage_limits {
        let size = &limit.page_size;
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Failure::invalid(format!("no such huge page size: {size:?}")));
        }
        let file = |kind| format!("hugetlb.{size}.{kind}");
        settings.push(Setting::new("huge page limit", file(used), limit.limit));
        settings.push(Setting::new("huge page limit", file(reserved), limit.limit).optional(true));
    }
    Ok(settings)
}

pub(super) fn rdma(resources: &Resources) -> Settings {
    let mut settings = Vec::new();
    for (device, limit) in &resources.rdma {
        let mut value = device.clone();
        for (key, number) in [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)]
        {
            if let Some(number) = number {
                value.push_str(&format!(" {key}={number}"));
            }
        }
        settings.push(Setting::new("RDMA limit", "rdma.max", value));
    }
    Ok(settings)
}

pub(super) fn packet_class(resources: &Resources) -> Settings {
    let class = resources.network.as_ref().and_then(|n| n.class_id);
    Ok(class.map(|c| Setting::new("network class", "net_cls.classid", c)).into_iter().collect())
}

pub(super) fn packet_priorities(resources: &Resources) -> Settings {
    let priorities = resources.network.iter().flat_map(|n| &n.priorities);
    Ok(priorities
        .map(|p| {
            let value = format!("{} {}", p.name, p.priority);
            Setting::new("network priority", "net_prio.ifpriomap", value)
        })
        .collect())
}

pub(super) fn unified(resources: &Resources) -> Settings {
    let mut settings = Vec::new();
    for (file, value) in &resources.unified {
        // A file of this one directory, and one that belongs to a controller or to the core.
        if file.contains('/') || !file.contains('.') || file.starts_with('.') {
            return Err(Failure::invalid(format!("no such unified resource: {file:?}")));
        }
        settings.push(Setting::new("unified resource", file.clone(), value));
    }
    Ok(settings)
}
