// Protection: which blobs a removal has to leave alone for now.
//
// While any ticket is open, every digest touched since it was opened is protected. Touch and
// removal exclude each other per digest: who touches a digest that is just being removed waits for
// the end of the removal and then finds the blob gone, never a blob that is about to go.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "runtime/base/digest.h"
#include "runtime/base/sync.h"

namespace cairn::blob {

class Protection {
 public:
  // Opens a ticket; it is closed once with CloseTicket.
  uint64_t OpenTicket();
  void CloseTicket(uint64_t ticket);

  void Touch(const Digest& digest);

  // False when `digest` is protected; else nobody's Touch of it returns before EndRemoval.
  bool BeginRemoval(const Digest& digest);
  void EndRemoval(const Digest& digest);

 private:
  Mutex mu_;
  CondVar removed_;
  uint64_t next_ticket_ ABSL_GUARDED_BY(mu_) = 1;
  std::set<uint64_t> tickets_ ABSL_GUARDED_BY(mu_);
  // The newest ticket at the time of the last touch: protected while a ticket up to it is open.
  absl::flat_hash_map<Digest, uint64_t> touched_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<Digest> removing_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::blob
