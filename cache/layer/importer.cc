#include "cache/layer/importer.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/layer/layer_tree.h"
#include "cache/layer/read_ahead.h"
#include "runtime/fs/compression.h"
#include "runtime/fs/tar_reader.h"

namespace cairn::layer {
namespace {

constexpr size_t kReadBytes = 256 << 10;

class Import {
 public:
  Import(tree::TreeStore& trees, fs::ByteSource& tar, bool whiteouts, const CancelToken& cancel)
      : trees_(trees), reader_(tar), tree_(whiteouts), cancel_(cancel), buffer_(kReadBytes, '\0') {}

  StatusOr<tree::TreeRef> Run() {
    for (;;) {
      RETURN_IF_ERROR(cancel_.Check());
      ASSIGN_OR_RETURN(std::optional<fs::TarEntry> entry, reader_.Next());
      if (!entry) {
        return tree_.Store(trees_);
      }
      std::optional<Digest> file;
      if (tree_.WantsData(*entry)) {
        ASSIGN_OR_RETURN_IN(file, StoreFile(), entry->path);
      }
      RETURN_IF_ERROR(tree_.Add(*entry, file));
    }
  }

 private:
  // Stores the data of the entry that the reader is at. Small files, of which a layer has most, go
  // in as one string.
  StatusOr<Digest> StoreFile() {
    ASSIGN_OR_RETURN(size_t got, fs::ReadFully(reader_, buffer_.data(), buffer_.size()));
    if (got < buffer_.size()) {
      return trees_.blobs().Put(string_view(buffer_.data(), got));
    }
    ASSIGN_OR_RETURN(const auto writer, trees_.blobs().NewWriter());
    while (got > 0) {
      RETURN_IF_ERROR(cancel_.Check());
      RETURN_IF_ERROR(writer->Write(string_view(buffer_.data(), got)));
      ASSIGN_OR_RETURN(got, fs::ReadFully(reader_, buffer_.data(), buffer_.size()));
    }
    ASSIGN_OR_RETURN(const blob::BlobInfo info, writer->Commit());
    return info.digest;
  }

  tree::TreeStore& trees_;
  fs::TarReader reader_;
  LayerTree tree_;
  const CancelToken& cancel_;
  std::string buffer_;
};

}  // namespace

StatusOr<ImportedTar> ImportTar(tree::TreeStore& trees, fs::ByteSource& tar, bool whiteouts,
                                const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::unique_ptr<fs::ByteSource> plain, fs::NewDetectingDecompressor(tar));
  fs::HashingSource hashed(*plain);
  ReadAhead ahead(hashed);
  ASSIGN_OR_RETURN(const tree::TreeRef tree, Import(trees, ahead, whiteouts, cancel).Run());
  // What comes after the end of the archive is part of its digest.
  RETURN_IF_ERROR(fs::Drain(ahead).status());
  ahead.Stop();
  return ImportedTar{tree, hashed.FinishDigest()};
}

}  // namespace cairn::layer
