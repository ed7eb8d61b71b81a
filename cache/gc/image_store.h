// ImageStore: the images that builds have stored by name.
//
// An image is a descriptor under a name, plus a ledger record "image:<name>" that names every blob
// its manifest reaches; so images are counted, and go, like everything else. Name and record are
// written in one batch: a name that is found has its bytes. kImages holds name -> image.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/ledger.h"
#include "runtime/base/sync.h"

namespace cairn::gc {

struct Image {
  std::string name;  // "docker.io/library/app:latest"
  // The image's manifest or index.
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  absl::Time created;  // when the name was first stored
  absl::Time updated;
  std::map<std::string, std::string> labels;
};

class ImageStore {
 public:
  // All outlive the store. Made before the ledger removes anything: it forgets a name when the
  // name's record is collected.
  ImageStore(blob::Database& database, blob::BlobStore& blobs, Ledger& ledger, const Clock& clock);

  // Stores the image, or moves the name to it; `created` and `updated` are set here. `reached` is
  // every blob that the manifest reaches, itself included; a lease keeps them meanwhile. On the
  // disk when it returns. kNotFound when one of them is not stored: nothing changes then.
  Status Put(const Image& image, const std::vector<Digest>& reached);

  // nullopt when there is no such name.
  StatusOr<std::optional<Image>> Get(const std::string& name);
  // By name.
  StatusOr<std::vector<Image>> List();
  // Removes the name and what only it needs. kNotFound when there is no such name,
  // kFailedPrecondition when a lease uses the record IdentityOf(name).
  Status Remove(const std::string& name);

  // The identity of an image's ledger record.
  static std::string IdentityOf(const std::string& name) { return "image:" + name; }

 private:
  blob::Database& database_;
  blob::BlobStore& blobs_;
  Ledger& ledger_;
  const Clock& clock_;
  Mutex mu_;
  // What each name was last made durable with, in this run.
  absl::flat_hash_map<std::string, Digest> durable_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::gc
