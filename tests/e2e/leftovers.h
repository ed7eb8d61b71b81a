// What a daemon or its steps left on this machine.
//
// Not thread-safe; the functions look at the whole machine, but name only what is the test's own.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cairn::e2e {

// Mount points below `directory` in this machine's mount table.
std::vector<std::string> MountsBelow(const std::string& directory);

// Command lines of processes that have `variable` ("NAME=value") in their environment.
std::vector<std::string> ProcessesWith(const std::string& variable);

// Control groups of the daemon whose state is in `root`.
std::vector<std::string> CgroupsOf(const std::string& root);

// From its making on, processes whose parents die are handed to this program, so that none gets
// away by losing its parent.
class OrphanWatch {
 public:
  OrphanWatch();

  // Command lines of the children of this program that do not end within `limit`. Those that do
  // are reaped.
  std::vector<std::string> Survivors(absl::Duration limit) const;
};

}  // namespace cairn::e2e
