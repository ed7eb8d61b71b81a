#include "cache/layer/layer_tree.h"

#include <deque>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/link_groups.h"
#include "cache/tree/path.h"

namespace cairn::layer {
namespace {

using tree::Entry;

constexpr char kWhiteoutPrefix[] = ".wh.";
constexpr char kMarkerPrefix[] = ".wh..wh.";  // aufs' own, and the opaque marker
constexpr char kOpaqueMarker[] = ".wh..wh..opq";

Status BadEntry(const std::string& path, string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("layer entry \"", absl::CHexEscape(path), "\": ", why));
}

std::string BaseName(const std::string& path) {
  std::vector<std::string> components = tree::SplitPath(path);
  return components.empty() ? std::string() : std::move(components.back());
}

Entry::Type TypeOf(fs::Kind kind) {
  switch (kind) {
    case fs::Kind::kSymlink:
      return Entry::Type::kSymlink;
    case fs::Kind::kFifo:
      return Entry::Type::kFifo;
    case fs::Kind::kCharDevice:
      return Entry::Type::kCharDevice;
    case fs::Kind::kBlockDevice:
      return Entry::Type::kBlockDevice;
    case fs::Kind::kDirectory:
      return Entry::Type::kDirectory;
    case fs::Kind::kFile:
    case fs::Kind::kSocket:
      break;
  }
  return Entry::Type::kFile;
}

}  // namespace

struct LayerTree::Node {
  Entry entry;         // of what is no directory
  uint32_t inode = 0;  // of files
  // Of directories.
  fs::Metadata metadata;
  bool opaque = false;
  bool implied = true;
  std::map<std::string, std::unique_ptr<Node>> children;

  bool is_directory() const { return entry.type == Entry::Type::kDirectory; }

  static std::unique_ptr<Node> ImpliedDirectory() {
    auto node = std::make_unique<Node>();
    node->entry.type = Entry::Type::kDirectory;
    node->metadata = tree::DefaultDirectoryMetadata();
    return node;
  }
};

// Where an entry goes: a directory and a name in it; the name is empty for the root.
struct LayerTree::Place {
  Node* parent = nullptr;
  std::string name;
};

LayerTree::LayerTree(bool whiteouts) : whiteouts_(whiteouts), root_(Node::ImpliedDirectory()) {}

LayerTree::~LayerTree() = default;

bool LayerTree::WantsData(const fs::TarEntry& entry) const {
  return entry.kind == fs::Kind::kFile && !entry.hard_link &&
         !(whiteouts_ && absl::StartsWith(BaseName(entry.path), kWhiteoutPrefix));
}

// Makes missing directories on the way, as implied.
StatusOr<LayerTree::Place> LayerTree::FindPlace(const std::string& path) {
  const std::vector<std::string> components = tree::SplitPath(path);
  std::deque<std::string> pending(components.begin(), components.end());
  std::vector<Node*> levels = {root_.get()};
  int links = 0;
  while (!pending.empty()) {
    const std::string name = std::move(pending.front());
    pending.pop_front();
    if (name == "..") {
      if (levels.size() > 1) {
        levels.pop_back();
      }
      continue;
    }
    if (name.size() > 255) {
      return BadEntry(path, "a name of more than 255 bytes");
    }
    if (pending.empty()) {
      return Place{levels.back(), name};
    }
    if (whiteouts_ && absl::StartsWith(name, kWhiteoutPrefix)) {
      return BadEntry(path, "below a whiteout");
    }
    if (levels.size() >= tree::kMaxDepth) {
      return BadEntry(path, "nested too deeply");
    }
    std::unique_ptr<Node>& child = levels.back()->children[name];
    if (child == nullptr) {
      child = Node::ImpliedDirectory();
    } else if (child->entry.type == Entry::Type::kWhiteout) {
      child = Node::ImpliedDirectory();
      child->opaque = true;
    }
    if (child->entry.type == Entry::Type::kSymlink) {
      if (++links > tree::kMaxLinks) {
        return BadEntry(path, "too many links");
      }
      if (child->entry.target.front() == '/') {
        levels.resize(1);
      }
      const std::vector<std::string> target = tree::SplitPath(child->entry.target);
      pending.insert(pending.begin(), target.begin(), target.end());
      continue;
    }
    if (!child->is_directory()) {
      return BadEntry(path, "a parent is not a directory");
    }
    levels.push_back(child.get());
  }
  return Place{levels.back(), ""};
}

Status LayerTree::AddWhiteout(const std::string& path, Node& parent, const std::string& name) {
  if (name == kOpaqueMarker) {
    parent.opaque = true;
    return absl::OkStatus();
  }
  if (absl::StartsWith(name, kMarkerPrefix)) {
    return absl::OkStatus();
  }
  const std::string removed = name.substr(sizeof kWhiteoutPrefix - 1);
  if (removed.empty() || removed == "." || removed == "..") {
    return BadEntry(path, "invalid whiteout name");
  }
  std::unique_ptr<Node>& node = parent.children[removed];
  if (node == nullptr) {
    node = std::make_unique<Node>();
    node->entry.type = Entry::Type::kWhiteout;
  } else if (node->is_directory()) {
    // It removes what is in the layers below and leaves this layer's own.
    node->opaque = true;
  }
  return absl::OkStatus();
}

Status LayerTree::AddDirectory(const fs::TarEntry& entry, Node& parent, const std::string& name) {
  Node* node = &parent;
  if (!name.empty()) {
    std::unique_ptr<Node>& child = parent.children[name];
    if (child == nullptr || !child->is_directory()) {
      const bool was_whiteout = child != nullptr && child->entry.type == Entry::Type::kWhiteout;
      child = Node::ImpliedDirectory();
      child->opaque = was_whiteout;
    }
    node = child.get();
  }
  node->implied = false;
  node->metadata = entry.metadata;
  return absl::OkStatus();
}

Status LayerTree::AddHardLink(const fs::TarEntry& entry, Node& parent, const std::string& name) {
  ASSIGN_OR_RETURN(const Place target, FindPlace(entry.link_target));
  const auto found = target.name.empty() ? target.parent->children.end()
                                         : target.parent->children.find(target.name);
  if (found == target.parent->children.end() ||
      found->second->entry.type == Entry::Type::kWhiteout) {
    return BadEntry(entry.path, absl::StrCat("a hard link to ", entry.link_target,
                                             ", which is not in the archive before it"));
  }
  if (found->second->is_directory()) {
    return BadEntry(entry.path, "a hard link to a directory");
  }
  std::unique_ptr<Node>& node = parent.children[name];
  if (&node == &found->second) {
    return BadEntry(entry.path, "a hard link to itself");
  }
  auto link = std::make_unique<Node>();
  link->entry = found->second->entry;
  link->inode = found->second->inode;
  node = std::move(link);
  return absl::OkStatus();
}

Status LayerTree::Add(const fs::TarEntry& entry, const std::optional<Digest>& file) {
  ASSIGN_OR_RETURN(const Place place, FindPlace(entry.path));
  Node& parent = *place.parent;
  const std::string& name = place.name;
  if (name.empty() && entry.kind != fs::Kind::kDirectory) {
    return BadEntry(entry.path, "would replace the root directory");
  }
  if (whiteouts_ && absl::StartsWith(name, kWhiteoutPrefix)) {
    return AddWhiteout(entry.path, parent, name);
  }
  if (entry.hard_link) {
    return AddHardLink(entry, parent, name);
  }
  if (entry.kind == fs::Kind::kDirectory) {
    return AddDirectory(entry, parent, name);
  }
  if (entry.kind == fs::Kind::kSocket) {
    return absl::OkStatus();
  }
  if (entry.kind == fs::Kind::kCharDevice && entry.device == 0) {
    return BadEntry(entry.path,
                    "a 0:0 character device, which overlay file systems take for a "
                    "whiteout");
  }
  if (entry.kind == fs::Kind::kSymlink &&
      (entry.link_target.empty() || entry.link_target.size() > 4095)) {
    return BadEntry(entry.path, "a bad link target");
  }
  auto node = std::make_unique<Node>();
  node->entry.type = TypeOf(entry.kind);
  node->entry.metadata = entry.metadata;
  node->entry.device = entry.device;
  if (entry.kind == fs::Kind::kSymlink) {
    node->entry.target = entry.link_target;
    node->entry.metadata.mode = 0777;
  } else if (entry.kind == fs::Kind::kFile) {
    node->entry.file = file;
    node->entry.size = entry.size;
    node->inode = static_cast<uint32_t>(inodes_.size());
    inodes_.emplace_back();
  }
  parent.children[name] = std::move(node);
  return absl::OkStatus();
}

void LayerTree::CountLinks(Node& node, const std::string& path) {
  for (auto& [name, child] : node.children) {
    if (child->is_directory()) {
      CountLinks(*child, absl::StrCat(path, path.empty() ? "" : "/", name));
    } else if (child->inode != 0 && ++inodes_[child->inode].links == 1) {
      inodes_[child->inode].group =
          tree::LinkGroupOf(absl::StrCat(path, path.empty() ? "" : "/", name), child->entry);
    }
  }
}

StatusOr<tree::TreeRef> LayerTree::StoreNode(tree::TreeStore& trees, Node& node) {
  tree::Directory directory;
  directory.metadata = std::move(node.metadata);
  directory.opaque = node.opaque;
  directory.implied = node.implied;
  directory.entries.reserve(node.children.size());
  for (auto& [name, child] : node.children) {
    Entry& entry = child->entry;
    entry.name = name;
    if (child->is_directory()) {
      ASSIGN_OR_RETURN(entry.directory, StoreNode(trees, *child));
    } else if (child->inode != 0 && inodes_[child->inode].links > 1) {
      entry.link_group = inodes_[child->inode].group;
    }
    directory.entries.push_back(std::move(entry));
    child.reset();
  }
  return trees.Store(std::move(directory));
}

StatusOr<tree::TreeRef> LayerTree::Store(tree::TreeStore& trees) {
  if (inodes_.size() > 1) {
    CountLinks(*root_, "");
  }
  std::unique_ptr<Node> root = std::exchange(root_, Node::ImpliedDirectory());
  return StoreNode(trees, *root);
}

}  // namespace cairn::layer
