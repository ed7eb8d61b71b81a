// InputProducers: which request made a graph, while the build that made it runs.
//
// A client may take what one frontend made and give it to another as an input, in the same build or
// in the next; provenance of the second then tells of the first's request. Graphs are known by the
// vertex that they lead to.
//
// One for the whole daemon. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/provenance/capture.h"
#include "proto/ops.pb.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class InputProducers {
 public:
  // Remembers that `request` made `definition`, until Remove gets the id that is returned. 0 for a
  // graph of nothing, which is not remembered.
  uint64_t Add(const pb::Definition& definition,
               std::shared_ptr<const provenance::Request> request);
  void Remove(uint64_t id);

  // The request that made `definition`; null when none did, or several that differ.
  std::shared_ptr<const provenance::Request> Find(const pb::Definition& definition) const;

  // What is known of each of `inputs`, by their names.
  std::map<std::string, std::shared_ptr<const provenance::Request>> FindAll(
      const std::map<std::string, pb::Definition>& inputs) const;

 private:
  struct Entry {
    std::string target;
    std::shared_ptr<const provenance::Request> request;
  };
  mutable Mutex mu_;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::multimap<std::string, uint64_t> by_target_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control
