// Copying entries of one tree into another, by splicing: what is new at its destination is put
// there as a whole, and only directories that exist on both sides are looked into.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cache/tree/directory.h"
#include "cache/tree/editor.h"
#include "cache/tree/tree_store.h"
#include "daemon/ops/file_mode.h"
#include "daemon/ops/owner.h"

namespace cairn::ops {

struct CopyOptions {
  std::optional<Owner> owner;
  std::optional<FileMode> mode;  // not applied to links
  std::optional<int64_t> mtime_ns;
  // What is in the way of another kind is removed, else it is an error.
  bool replace_existing = false;
  // The time of directories that an archive only implies, where they are new.
  int64_t implied_mtime_ns = 0;
};

class TreeCopier {
 public:
  // Copies into what `editor` edits; both outlive the copier.
  TreeCopier(tree::TreeStore& store, tree::Editor& editor, CopyOptions options)
      : store_(store), editor_(editor), options_(std::move(options)) {}

  // Puts a file, link or node at `path`, whose parent exists. A directory in the way is an error:
  // "cannot replace to directory <path> with file".
  Status CopyFile(tree::Entry source, const std::string& path);

  // Puts the tree `source` at `path`: as it is where nothing was, merged into a directory that is
  // there. That directory's own metadata is overwritten when `overwrite_metadata`; of directories
  // below it always is, unless it is implied. An implied directory also merges into where a link
  // leads. Anything else in the way: "cannot copy to non-directory: <path>".
  Status CopyDirectory(const tree::TreeRef& source, const std::string& path,
                       bool overwrite_metadata);

  // `metadata` with the options applied.
  fs::Metadata Changed(fs::Metadata metadata, bool is_directory, bool is_link) const;

 private:
  bool ChangesAnything() const {
    return options_.owner.has_value() || options_.mode.has_value() || options_.mtime_ns.has_value();
  }
  StatusOr<tree::TreeRef> Changed(const tree::TreeRef& directory);
  // `directory` as it is where nothing was: what was implied is settled.
  StatusOr<tree::TreeRef> Settled(const tree::TreeRef& directory);
  // Whether what an archive has below `path`, which it only implies, belongs elsewhere: where the
  // link at `path` leads.
  StatusOr<std::optional<std::string>> FollowImplied(const tree::Directory& directory,
                                                     const tree::Entry& existing,
                                                     const std::string& path);
  Status Merge(const tree::TreeRef& source, const std::string& path, bool overwrite_metadata);

  tree::TreeStore& store_;
  tree::Editor& editor_;
  const CopyOptions options_;
  std::map<Digest, tree::TreeRef> changed_;  // done before
};

}  // namespace cairn::ops
