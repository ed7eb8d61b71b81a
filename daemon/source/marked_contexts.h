// The contexts of open sessions that were received under a mark (local.unique): clients give each
// definition marks of its own, so a vertex with a mark that is known is part of the same
// definition. It need not be received again, and can be had by another client's build that goes on
// from a result of the first one, whose own session serves no such directory.
//
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cache/tree/directory.h"
#include "daemon/session/session.h"
#include "runtime/base/sync.h"

namespace cairn::source {

class MarkedContexts {
 public:
  struct Context {
    std::string record;  // of the ledger, which owns the files
    tree::TreeRef tree;
  };

  // The context received for `vertex` (all that is asked for, with the mark) while the session that
  // it came from is open. The caller has to see that its record still names that tree.
  std::optional<Context> Find(const std::string& vertex) const;

  void Add(const std::string& vertex, const std::shared_ptr<session::Session>& session,
           Context context);

 private:
  struct Entry {
    std::weak_ptr<session::Session> session;
    Context context;
  };

  mutable Mutex mu_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::source
