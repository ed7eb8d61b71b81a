// A blob store and a tree store in a temporary directory, and trees written as lists of lines.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/tree/algebra.h"
#include "cache/tree/editor.h"
#include "cache/tree/tree_store.h"
#include "tests/unit/testing.h"

namespace cairn::testing {

class Stores {
 public:
  Stores()
      : database_(*blob::Database::Open(directory_ / "db")),
        blobs_(*blob::BlobStore::Open(directory_ / "store", *database_)),
        trees_(std::make_unique<tree::TreeStore>(*blobs_)) {}

  const TempDir& directory() const { return directory_; }
  blob::Database& database() { return *database_; }
  blob::BlobStore& blobs() { return *blobs_; }
  tree::TreeStore& trees() { return *trees_; }

 private:
  TempDir directory_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<tree::TreeStore> trees_;
};

inline tree::Entry FileEntry(blob::BlobStore& blobs, const std::string& data,
                             uint32_t mode = 0644) {
  tree::Entry entry;
  entry.type = tree::Entry::Type::kFile;
  entry.metadata.mode = mode;
  entry.file = *blobs.Put(data);
  entry.size = data.size();
  return entry;
}

inline tree::Entry LinkEntry(const std::string& target) {
  tree::Entry entry;
  entry.type = tree::Entry::Type::kSymlink;
  entry.metadata.mode = 0777;
  entry.target = target;
  return entry;
}

inline tree::Entry WhiteoutEntry() {
  tree::Entry entry;
  entry.type = tree::Entry::Type::kWhiteout;
  return entry;
}

// Builds a tree of lines: "dir/", "file=bytes", "link->target", "gone-" (a whiteout). Parents are
// made.
inline tree::TreeRef MakeTree(Stores& stores, const std::vector<std::string>& lines) {
  tree::Editor editor(stores.trees(), std::nullopt);
  for (const std::string& line : lines) {
    std::string path = line;
    tree::Entry entry;
    if (absl::StrContains(line, "->")) {
      const std::vector<std::string> parts = absl::StrSplit(line, "->");
      path = parts[0];
      entry = LinkEntry(parts[1]);
    } else if (absl::StrContains(line, "=")) {
      const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
      path = parts[0];
      entry = FileEntry(stores.blobs(), parts[1]);
    } else if (absl::EndsWith(line, "-")) {
      path.pop_back();
      entry = WhiteoutEntry();
    } else {
      EXPECT_OK(editor.MakeDirectory(path, tree::DefaultDirectoryMetadata(), true));
      continue;
    }
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos) {
      EXPECT_OK(
          editor.MakeDirectory(path.substr(0, slash), tree::DefaultDirectoryMetadata(), true));
    }
    EXPECT_OK(editor.Put(path, entry));
  }
  return *editor.Commit();
}

// The lines of a tree, in the order of a walk.
inline std::vector<std::string> LinesOf(Stores& stores, const tree::TreeRef& tree) {
  std::vector<std::string> lines;
  EXPECT_OK(tree::Walk(stores.trees(), tree,
                       [&](const std::string& path, const tree::Entry& entry,
                           const tree::Directory* directory) -> StatusOr<tree::Visit> {
                         switch (entry.type) {
                           case tree::Entry::Type::kFile:
                             lines.push_back(
                                 absl::StrCat(path, "=", *stores.blobs().Read(*entry.file)));
                             break;
                           case tree::Entry::Type::kDirectory:
                             lines.push_back(absl::StrCat(path, "/", directory->opaque ? "!" : "",
                                                          directory->implied ? "?" : ""));
                             break;
                           case tree::Entry::Type::kSymlink:
                             lines.push_back(absl::StrCat(path, "->", entry.target));
                             break;
                           case tree::Entry::Type::kWhiteout:
                             lines.push_back(absl::StrCat(path, "-"));
                             break;
                           default:
                             lines.push_back(absl::StrCat(path, " device ", entry.device));
                         }
                         return tree::Visit::kContinue;
                       }));
  return lines;
}

}  // namespace cairn::testing
