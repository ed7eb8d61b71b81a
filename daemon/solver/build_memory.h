// BuildMemory: what a build must not forget before it ends.
//
// States that failed steps left, by the ids that clients can start containers on (errdefs.Solve),
// and what sources found out about the world outside, so that one build sees one state of it.
// Thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "daemon/solver/ref.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

class BuildMemory {
 public:
  void Keep(const std::string& id, RefPtr state);
  // Null for an unknown id.
  RefPtr Find(const std::string& id) const;

  // The answer that stands for `question` in this build: the first one given.
  std::string Pin(const std::string& question, std::string answer);
  std::optional<std::string> Pinned(const std::string& question) const;
  // Whether nobody asked this before in this build, nor pinned an answer.
  bool IsFirst(const std::string& question);

  // Lets go of everything.
  void Clear();

 private:
  mutable Mutex mu_;
  std::map<std::string, RefPtr> states_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> answers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::solver
