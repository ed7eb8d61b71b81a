// Blob stores that a client offers: OCI layouts it gives as contexts, its local cache directory,
// the directory it wants an image in (containerd.services.content.v1.Content over the session).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct BlobInfo {
  Digest digest;
  uint64_t size = 0;
  std::map<std::string, std::string> labels;
};

// Thread-safe. What it returns is the client's word: the caller hashes what it reads.
class ContentClient {
 public:
  // `store_id` is "oci:<id>", "local:<directory>" or "export", as the client named the store.
  ContentClient(std::shared_ptr<Session> session, std::string store_id)
      : session_(std::move(session)), store_id_(std::move(store_id)) {}

  // kNotFound when there is no such blob, or no such store.
  StatusOr<BlobInfo> Info(const Digest& digest, const CancelToken& cancel) const;

  // Every blob of the store. A blob whose digest is not sha256 is left out.
  StatusOr<std::vector<BlobInfo>> List(const CancelToken& cancel) const;

  // Gives `size` bytes from `offset` on (0: all to the end) to `write`, piece by piece. An error of
  // `write` ends the transfer and is returned.
  Status Read(const Digest& digest, uint64_t offset, uint64_t size,
              const std::function<Status(string_view data)>& write,
              const CancelToken& cancel) const;

  // The whole blob, checked against `digest` and no larger than `limit` bytes.
  StatusOr<std::string> ReadAll(const Digest& digest, uint64_t limit,
                                const CancelToken& cancel) const;

  // Writes a blob: `produce` is called once and hands the bytes to its argument. OK also when the
  // store has the blob already; then `produce` may not be called.
  using Produce = std::function<Status(const std::function<Status(string_view data)>& write)>;
  Status Write(const Digest& digest, uint64_t size,
               const std::map<std::string, std::string>& labels, const Produce& produce,
               const CancelToken& cancel) const;

 private:
  const std::shared_ptr<Session> session_;
  const std::string store_id_;
};

}  // namespace cairn::session
