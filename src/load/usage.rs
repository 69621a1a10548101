//! CPU time and memory of processes, from `/proc`.

use core::time::Duration;
use std::fs;

/// The unit of the times in `/proc/PID/stat`: Linux shows a hundredth of a second on every machine.
const TICK: Duration = Duration::from_millis(10);

/// What a process and its children have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system time.
    pub(super) cpu: Duration,
    /// Bytes: the proportional set size where the kernel tells it, which counts shared pages once, else the resident set
    /// size.
    pub(super) memory: u64,
}

impl Usage {
    /// Of a process and its children; `None` when there is no such process. Without `memory` only the time is read,
    /// which is quicker.
    pub(super) fn of(pid: u32, memory: bool) -> Option<Self> {
        let mut all = Self { cpu: cpu(&read(pid, "stat")?)?, memory: 0 };
        if memory {
            let rollup = read(pid, "smaps_rollup").and_then(|text| kibibytes(&text, "Pss:"));
            let resident = || read(pid, "status").and_then(|text| kibibytes(&text, "VmRSS:"));
            all.memory = rollup.or_else(resident).unwrap_or_default() * 1024;
        }
        for child in children(pid) {
            if let Some(used) = Self::of(child, memory) {
                all.cpu += used.cpu;
                all.memory += used.memory;
            }
        }
        Some(all)
    }
}

fn read(pid: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| pids(&list)).collect()
}

fn pids(list: &str) -> Vec<u32> {
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Fields 14 and 15 of `stat`. The name in field 2 can hold spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * ticks()?.checked_add(ticks()?)?)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 3 4 20 0 1 0 99 1 1\n";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu("7 (a"), None);
        let rollup = "00400000-7ff [rollup]\nRss:     2000 kB\nPss:     1234 kB\n";
        assert_eq!(kibibytes(rollup, "Pss:"), Some(1234));
        assert_eq!(kibibytes("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(kibibytes("", "Pss:"), None);
        assert_eq!(pids("12 13 \n"), [12, 13]);
    }

    #[test]
    fn this_process_uses_memory_and_no_process_has_the_number_zero() {
        assert!(Usage::of(std::process::id(), true).is_some_and(|usage| usage.memory > 0));
        assert_eq!(Usage::of(0, true), None);
    }
}
