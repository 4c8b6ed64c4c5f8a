//! Workspaces in pods of a Kubernetes cluster.

use std::fmt;

use crate::macros::checked_text;
use crate::{LabelSelector, WorkspacePath};

checked_text!(
    /// The name of a namespace or a container: 1 to 63 lower-case ASCII letters, digits and hyphens, the first and
    /// the last a letter or digit.
    KubernetesName,
    KubernetesNameError,
    "must be 1 to 63 lower-case ASCII letters, digits and hyphens, the first and the last a letter or digit",
    |text| {
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (1..=63).contains(&text.len())
            && text.starts_with(is_edge)
            && text.ends_with(is_edge)
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }
);

checked_text!(
    /// The identity of a cluster, which all runners of the cluster know: 1 to 255 visible ASCII characters.
    ClusterId,
    ClusterIdError,
    "must be 1 to 255 visible ASCII characters",
    |text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

/// A folder in the pod of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodWorkspace {
    /// The namespace of the pod.
    pub namespace: KubernetesName,
    /// The labels of the pod.
    pub selector: LabelSelector,
    /// The container of the pod.
    pub container: KubernetesName,
    /// The folder in the container.
    pub path: WorkspacePath,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// The namespace of the pod.
    pub namespace: KubernetesName,
    /// The name, which a pod that replaces it may have too.
    pub name: String,
    /// The id, which no other pod has.
    pub uid: String,
    /// The container.
    pub container: KubernetesName,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pod {}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for valid in ["a", "0", "my-project", &"a".repeat(63)] {
            assert!(valid.parse::<KubernetesName>().is_ok(), "{valid}");
        }
        for invalid in ["", "-a", "a-", "A", "a.b", "a/b", "é", &"a".repeat(64)] {
            assert_eq!(invalid.parse::<KubernetesName>(), Err(KubernetesNameError), "{invalid:?}");
        }
    }
}
