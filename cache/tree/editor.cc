#include "cache/tree/editor.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/tree/codec.h"
#include "cache/tree/path.h"

namespace cairn::tree {

// A directory that was looked into: what it was, and what is different now.
struct Editor::Node {
  std::optional<TreeRef> stored;          // as last loaded or stored; nullopt when new
  std::shared_ptr<const Directory> base;  // of `stored`; null when new
  fs::Metadata metadata;
  bool changed = false;  // metadata or edits differ from `base`
  // Entries put (or, nullopt, removed). A name in `opened` is looked up there first.
  std::map<std::string, std::optional<Entry>> edits;
  std::map<std::string, std::unique_ptr<Node>> opened;

  std::optional<Entry> Find(const std::string& name) const {
    if (opened.contains(name)) {
      Entry entry;
      entry.name = name;
      entry.type = Entry::Type::kDirectory;
      return entry;
    }
    const auto edit = edits.find(name);
    if (edit != edits.end()) {
      return edit->second;
    }
    const Entry* entry = base == nullptr ? nullptr : base->Find(name);
    return entry == nullptr ? std::optional<Entry>() : std::optional<Entry>(*entry);
  }

  bool MayDiffer() const {
    if (changed || !stored) {
      return true;
    }
    for (const auto& [name, child] : opened) {
      if (child->MayDiffer()) {
        return true;
      }
    }
    return false;
  }
};

struct Editor::Position {
  Resolved<Node*> at;

  Node& directory() const { return *at.levels.back().directory; }
};

Editor::Editor(TreeStore& store, std::optional<TreeRef> base)
    : store_(store), root_(std::make_unique<Node>()) {
  root_->stored = std::move(base);
  root_->metadata = DefaultDirectoryMetadata();
}

Editor::~Editor() = default;

StatusOr<Editor::Node*> Editor::Enter(Node& parent, const Entry& entry) {
  const auto opened = parent.opened.find(entry.name);
  if (opened != parent.opened.end()) {
    return opened->second.get();
  }
  auto node = std::make_unique<Node>();
  node->stored = entry.directory;
  ASSIGN_OR_RETURN(node->base, store_.Load(entry.directory->digest));
  node->metadata = node->base->metadata;
  Node* result = node.get();
  parent.opened[entry.name] = std::move(node);
  return result;
}

StatusOr<Editor::Position> Editor::Locate(string_view path, bool follow) {
  if (root_->stored && root_->base == nullptr) {
    ASSIGN_OR_RETURN(root_->base, store_.Load(root_->stored->digest));
    root_->metadata = root_->base->metadata;
  }
  ASSIGN_OR_RETURN(Resolved<Node*> at,
                   ResolvePath<Node*>(
                       root_.get(), path, follow,
                       [](Node* in, const std::string& name) -> StatusOr<std::optional<Entry>> {
                         return in->Find(name);
                       },
                       [this](Node* in, const Entry& entry) { return Enter(*in, entry); }));
  return Position{std::move(at)};
}

StatusOr<Editor::Node*> Editor::LocateDirectory(string_view path) {
  ASSIGN_OR_RETURN(const Position position, Locate(path, true));
  if (!position.at.exists()) {
    return PathNotFoundError(path);
  }
  if (!position.at.is_directory()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a directory"));
  }
  return &position.directory();
}

StatusOr<std::optional<Entry>> Editor::Get(string_view path, bool follow) {
  ASSIGN_OR_RETURN(const Position position, Locate(path, follow));
  if (!position.at.is_directory()) {
    return position.at.entry;
  }
  Entry entry;
  entry.name = position.at.levels.back().name;
  entry.type = Entry::Type::kDirectory;
  entry.metadata = position.directory().metadata;
  if (!position.directory().MayDiffer()) {
    entry.directory = position.directory().stored;
  }
  return std::optional<Entry>(std::move(entry));
}

StatusOr<std::vector<std::string>> Editor::List(string_view path) {
  ASSIGN_OR_RETURN(const Node* node, LocateDirectory(path));
  std::map<std::string, bool> present;
  if (node->base != nullptr) {
    for (const Entry& entry : node->base->entries) {
      present[entry.name] = true;
    }
  }
  for (const auto& [name, entry] : node->edits) {
    present[name] = entry.has_value();
  }
  for (const auto& [name, child] : node->opened) {
    present[name] = true;
  }
  std::vector<std::string> names;
  for (const auto& [name, is_there] : present) {
    if (is_there) {
      names.push_back(name);
    }
  }
  return names;
}

StatusOr<fs::Metadata> Editor::DirectoryMetadata(string_view path) {
  ASSIGN_OR_RETURN(const Node* node, LocateDirectory(path));
  return node->metadata;
}

Status Editor::SetDirectoryMetadata(string_view path, const fs::Metadata& metadata) {
  ASSIGN_OR_RETURN(Node * node, LocateDirectory(path));
  if (!(node->metadata == metadata)) {
    node->metadata = metadata;
    node->changed = true;
  }
  return absl::OkStatus();
}

StatusOr<std::string> Editor::Resolve(string_view path, bool follow_last) {
  ASSIGN_OR_RETURN(const Position position, Locate(path, follow_last));
  return position.at.path();
}

namespace {

// Splits the last component off: links in it are not followed.
StatusOr<std::pair<std::string, std::string>> SplitLast(string_view path) {
  std::vector<std::string> components = SplitPath(path);
  if (components.empty() || components.back() == "..") {
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" names no entry"));
  }
  std::string last = std::move(components.back());
  components.pop_back();
  std::string parent;
  for (const std::string& component : components) {
    absl::StrAppend(&parent, "/", component);
  }
  return std::make_pair(std::move(parent), std::move(last));
}

}  // namespace

Status Editor::Put(string_view path, Entry entry) {
  ASSIGN_OR_RETURN(auto split, SplitLast(path));
  ASSIGN_OR_RETURN(Node * parent, LocateDirectory(split.first));
  entry.name = std::move(split.second);
  if (entry.type == Entry::Type::kDirectory) {
    entry.metadata = fs::Metadata();
  }
  Directory alone;
  alone.entries.push_back(std::move(entry));
  RETURN_IF_ERROR(Validate(alone));
  entry = std::move(alone.entries.front());
  parent->opened.erase(entry.name);
  parent->changed = true;
  const std::string name = entry.name;
  parent->edits[name] = std::move(entry);
  return absl::OkStatus();
}

Status Editor::MakeDirectory(string_view path, const fs::Metadata& metadata, bool parents,
                             std::vector<std::string>* made) {
  ASSIGN_OR_RETURN(Position position, Locate(path, true));
  if (position.at.exists()) {
    return position.at.is_directory() ? absl::OkStatus()
                                      : absl::FailedPreconditionError("not a directory");
  }
  if (position.at.levels.size() + position.at.tail.size() > kMaxDepth) {
    return absl::ResourceExhaustedError("directories are nested too deeply");
  }
  if (position.at.tail.size() > 1 && !parents) {
    return PathNotFoundError(path);
  }
  Resolved<Node*>& at = position.at;
  for (const std::string& name : std::exchange(at.tail, {})) {
    Node& parent = *at.levels.back().directory;
    if (parent.Find(name)) {
      return absl::FailedPreconditionError("not a directory");
    }
    Entry checked;
    checked.name = name;
    checked.type = Entry::Type::kFifo;
    Directory alone;
    alone.entries.push_back(std::move(checked));
    RETURN_IF_ERROR(Validate(alone));
    auto node = std::make_unique<Node>();
    node->metadata = metadata;
    node->changed = true;
    Node* child = node.get();
    parent.changed = true;
    parent.edits.erase(name);
    parent.opened[name] = std::move(node);
    at.levels.push_back({name, child});
    if (made != nullptr) {
      made->push_back(at.path());
    }
  }
  return absl::OkStatus();
}

Status Editor::Remove(string_view path) {
  ASSIGN_OR_RETURN(auto split, SplitLast(path));
  ASSIGN_OR_RETURN(Node * parent, LocateDirectory(split.first));
  if (!parent->Find(split.second)) {
    return PathNotFoundError(path);
  }
  parent->opened.erase(split.second);
  parent->edits[split.second] = std::nullopt;
  parent->changed = true;
  return absl::OkStatus();
}

StatusOr<TreeRef> Editor::CommitNode(Node& node) {
  for (auto& [name, child] : node.opened) {
    const std::optional<TreeRef> before = child->stored;
    ASSIGN_OR_RETURN(const TreeRef after, CommitNode(*child));
    if (!before || !(*before == after)) {
      Entry entry;
      entry.name = name;
      entry.type = Entry::Type::kDirectory;
      entry.directory = after;
      node.edits[name] = std::move(entry);
      node.changed = true;
    }
  }
  if (!node.changed && node.stored) {
    return *node.stored;
  }
  Directory directory;
  directory.metadata = node.metadata;
  auto edit = node.edits.begin();
  const auto take = [&directory](const std::optional<Entry>& entry) {
    if (entry) {
      directory.entries.push_back(*entry);
    }
  };
  if (node.base != nullptr) {
    for (const Entry& entry : node.base->entries) {
      for (; edit != node.edits.end() && edit->first < entry.name; ++edit) {
        take(edit->second);
      }
      if (edit != node.edits.end() && edit->first == entry.name) {
        take((edit++)->second);
      } else {
        directory.entries.push_back(entry);
      }
    }
  }
  for (; edit != node.edits.end(); ++edit) {
    take(edit->second);
  }
  ASSIGN_OR_RETURN(node.stored, store_.Store(std::move(directory)));
  ASSIGN_OR_RETURN(node.base, store_.Load(node.stored->digest));
  node.edits.clear();
  node.changed = false;
  return *node.stored;
}

StatusOr<TreeRef> Editor::Commit() {
  RETURN_IF_ERROR(Locate("/", true).status());
  return CommitNode(*root_);
}

}  // namespace cairn::tree
