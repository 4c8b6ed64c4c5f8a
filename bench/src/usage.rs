//! The processor time and memory of processes, from /proc.

use std::fs;

use crate::Outcome;

/// The unit in which the kernel reports processor time: hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the processor time of a process so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = Stat::read(pid)?;
    Ok(stat.own as f64 / TICKS_PER_SECOND)
}

/// Returns the processor time of a process and its children, including ended ones, in seconds.
pub(crate) fn cpu_seconds_of_family(parent: u32) -> Outcome<f64> {
    let stat = Stat::read(parent)?;
    let mut ticks = stat.own + stat.ended_children;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // The time of a child that ends meanwhile counts as its parent's from then on.
        let Ok(child) = Stat::read(pid) else { continue };
        if child.parent == parent {
            ticks += child.own + child.ended_children;
        }
    }
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// Returns the peak memory of a process, in MiB.
pub(crate) fn peak_memory_mib(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn read(pid: u32) -> Outcome<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
    }

    fn parse(stat: &str) -> Outcome<Self> {
        // proc(5): the text after the command's closing parenthesis begins with field 3.
        let (_, fields) = stat.rsplit_once(')').ok_or("a line of /proc that makes no sense")?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let field = |number: usize| -> Outcome<u64> {
            Ok(fields.get(number - 3).ok_or("a short line in /proc")?.parse()?)
        };
        Ok(Self {
            parent: u32::try_from(field(4)?)?,
            own: field(14)? + field(15)?,
            ended_children: field(16)? + field(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_skips_a_command_with_spaces_and_parentheses() {
        let line = "12 (a (b) c) S 7 12 12 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(Stat::parse(line).unwrap(), Stat { parent: 7, own: 30, ended_children: 70 });
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(peak_memory_mib(std::process::id()).unwrap() > 0.5);
        assert!(cpu_seconds_of_family(std::process::id()).unwrap() >= 0.0);
    }
}
