#include "cache/gc/image_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cache/blob/encoding.h"
#include "runtime/base/fault_point.h"

namespace cairn::gc {
namespace {

using blob::Table;

constexpr uint8_t kImageVersion = 1;

// The value in kImages: version (1 byte), media type, digest, size, created, updated, number of
// labels, labels in order.
std::string EncodeImage(const Image& image) {
  blob::Encoder encoder;
  encoder.Byte(kImageVersion).String(image.media_type).Raw(image.digest).Varint(image.size);
  encoder.Time(image.created).Time(image.updated).Varint(image.labels.size());
  for (const auto& [key, value] : image.labels) {
    encoder.String(key).String(value);
  }
  return encoder.bytes();
}

StatusOr<Image> DecodeImage(string_view name, string_view bytes) {
  blob::Decoder decoder(bytes);
  const uint8_t version = decoder.Byte();
  if (decoder.ok() && version != kImageVersion) {
    return absl::FailedPreconditionError(absl::StrCat("image ", name, " has version ", version,
                                                      ", this release knows ", kImageVersion));
  }
  std::string media_type = decoder.String();
  Image image = {
      .name = std::string(name), .media_type = std::move(media_type), .digest = decoder.Raw()};
  image.size = decoder.Varint();
  image.created = decoder.Time();
  image.updated = decoder.Time();
  const uint64_t labels = decoder.Count();
  for (uint64_t i = 0; i < labels && decoder.ok(); ++i) {
    std::string key = decoder.String();
    image.labels[std::move(key)] = decoder.String();
  }
  RETURN_IF_ERROR(decoder.Finish(absl::StrCat("image ", name)));
  return image;
}

}  // namespace

ImageStore::ImageStore(blob::Database& database, blob::BlobStore& blobs, Ledger& ledger,
                       const Clock& clock)
    : database_(database), blobs_(blobs), ledger_(ledger), clock_(clock) {
  ledger_.OnRemove("image:", [&database](const std::string& identity) {
    return database.Delete(Table::kImages, absl::StripPrefix(identity, "image:"));
  });
}

Status ImageStore::Put(const Image& image, const std::vector<Digest>& reached) {
  ASSIGN_OR_RETURN(const auto present, Get(image.name));
  Image stored = image;
  stored.updated = clock_.Now();
  stored.created = present.has_value() ? present->created : stored.updated;
  blob::WriteBatch name;
  name.Put(Table::kImages, image.name, EncodeImage(stored));
  RETURN_IF_ERROR(ledger_.Add({.identity = IdentityOf(image.name),
                               .description = absl::StrCat("image ", image.name),
                               .blobs = reached},
                              name));
  CAIRN_FAULT_POINT("gc.image");
  RETURN_IF_ERROR(blobs_.MakeDurable());
  {
    MutexLock lock(mu_);
    const auto durable = durable_.find(image.name);
    if (durable != durable_.end() && durable->second == image.digest && present.has_value() &&
        present->digest == image.digest) {
      return absl::OkStatus();  // a newer time is worth no sync
    }
    durable_.erase(image.name);
  }
  RETURN_IF_ERROR(database_.Flush());
  MutexLock lock(mu_);
  durable_.insert_or_assign(image.name, image.digest);
  return absl::OkStatus();
}

StatusOr<std::optional<Image>> ImageStore::Get(const std::string& name) {
  ASSIGN_OR_RETURN(const auto bytes, database_.Get(Table::kImages, name));
  if (!bytes.has_value()) {
    return std::optional<Image>();
  }
  ASSIGN_OR_RETURN(Image image, DecodeImage(name, *bytes));
  return std::optional<Image>(std::move(image));
}

StatusOr<std::vector<Image>> ImageStore::List() {
  std::vector<Image> images;
  Status failure;
  RETURN_IF_ERROR(database_.Scan(Table::kImages, "", [&](string_view name, string_view bytes) {
    StatusOr<Image> image = DecodeImage(name, bytes);
    failure.Update(image.status());
    if (image.ok()) {
      images.push_back(*std::move(image));
    }
    return failure.ok();
  }));
  RETURN_IF_ERROR(failure);
  return images;
}

Status ImageStore::Remove(const std::string& name) {
  ASSIGN_OR_RETURN(const auto present, database_.FindSize(Table::kImages, name));
  const Status removed = ledger_.Remove(IdentityOf(name)).status();
  if (absl::IsNotFound(removed) && present.has_value()) {
    return database_.Delete(Table::kImages, name);
  }
  return removed;
}

}  // namespace cairn::gc
