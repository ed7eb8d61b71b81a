// TreeListing: the entries of stored trees one after the other, in the order of a transfer, for
// exporters of files.
//
// Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/tree/tree_store.h"
#include "daemon/session/file_stat.h"
#include "runtime/base/cancel.h"

namespace cairn::exporter {

// A tree and where it goes.
struct ListedTree {
  // One path component, or empty: the tree's entries are at the top.
  std::string directory;
  tree::TreeRef tree;
  // Files besides the tree's own, by name, at its top; they must not be in it.
  std::map<std::string, std::string> extra_files;
  // All times are this (Unix seconds), if set.
  std::optional<int64_t> epoch;
};

struct ListedEntry {
  session::FileStat stat;
  std::optional<Digest> file;  // a file's bytes, when they are in the store
  std::string data;            // of an extra file
};

class TreeListing {
 public:
  // `trees` outlives the listing. Several trees must have different directories.
  TreeListing(tree::TreeStore& trees, std::vector<ListedTree> roots);
  ~TreeListing();

  // The next entry; nullopt at the end. A directory comes before what is in it, siblings in byte
  // order; of hard links the first is a file and the others name it.
  StatusOr<std::optional<ListedEntry>> Next();

 private:
  struct Level;
  StatusOr<ListedEntry> Describe(const tree::Entry& entry, const std::string& path);
  Status Enter(const tree::TreeRef& tree, std::string prefix);
  Status StartRoot();

  tree::TreeStore& trees_;
  std::vector<ListedTree> roots_;
  size_t next_root_ = 0;
  std::vector<Level> levels_;
  std::map<std::string, std::string> extras_;  // of the root in progress, still to come
  std::map<uint64_t, std::string> groups_;     // first path of each hard-link group
  std::optional<ListedEntry> pending_;
};

// Whether all that a listing of `roots` names is in the store: kNotFound names what is not. Asked
// before anything is sent, so that an export can be tried again when what is missing was made anew.
Status CheckWhole(tree::TreeStore& trees, const std::vector<ListedTree>& roots,
                  const CancelToken& cancel);

}  // namespace cairn::exporter
