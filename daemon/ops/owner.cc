#include "daemon/ops/owner.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/tree/algebra.h"

namespace cairn::ops {
namespace {

constexpr uint64_t kMaxUserFileBytes = 10 << 20;

// The fields of the line of `path` that starts with `name`; empty when there is none.
StatusOr<std::vector<std::string>> FindLine(tree::TreeStore& trees, const tree::TreeRef& tree,
                                            string_view path, string_view name) {
  const auto found = tree::Lookup(trees, tree, path, /*follow=*/true);
  if (absl::IsNotFound(found.status())) {
    return std::vector<std::string>();
  }
  RETURN_IF_ERROR(found.status());
  if (!found->entry.file) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  ASSIGN_OR_RETURN_IN(const std::string text,
                      trees.blobs().Read(*found->entry.file, kMaxUserFileBytes), path);
  for (const string_view line : absl::StrSplit(text, '\n')) {
    std::vector<std::string> fields = absl::StrSplit(line, ':');
    if (fields[0] == name) {
      return fields;
    }
  }
  return std::vector<std::string>();
}

uint32_t Number(const std::vector<std::string>& fields, size_t index) {
  uint32_t number = 0;
  return index < fields.size() && absl::SimpleAtoi(fields[index], &number) ? number : 0;
}

}  // namespace

StatusOr<std::optional<Owner>> ResolveOwner(
    tree::TreeStore& trees, const pb::ChownOpt& option,
    const std::function<StatusOr<std::optional<tree::TreeRef>>(int64_t input)>& tree_of) {
  Owner owner;
  if (option.has_user() && option.user().has_byname()) {
    const pb::NamedUserOpt& named = option.user().byname();
    if (named.input() < 0) {
      return absl::InvalidArgumentError(absl::StrCat("invalid user index: ", named.input()));
    }
    ASSIGN_OR_RETURN(const std::optional<tree::TreeRef> tree, tree_of(named.input()));
    if (tree) {
      ASSIGN_OR_RETURN(const std::vector<std::string> fields,
                       FindLine(trees, *tree, "/etc/passwd", named.name()));
      owner = {.uid = Number(fields, 2), .gid = Number(fields, 3)};
    }
  } else if (option.has_user()) {
    owner = {.uid = option.user().byid(), .gid = option.user().byid()};
  }
  if (option.has_group() && option.group().has_byname()) {
    const pb::NamedUserOpt& named = option.group().byname();
    if (named.input() < 0) {
      return absl::InvalidArgumentError(absl::StrCat("invalid user index: ", named.input()));
    }
    ASSIGN_OR_RETURN(const std::optional<tree::TreeRef> tree, tree_of(named.input()));
    if (tree) {
      ASSIGN_OR_RETURN(const std::vector<std::string> fields,
                       FindLine(trees, *tree, "/etc/group", named.name()));
      if (!fields.empty()) {
        owner.gid = Number(fields, 2);
      }
    }
  } else if (option.has_group()) {
    owner.gid = option.group().byid();
  }
  // To chown(2) this is -1: what is new stays root's.
  constexpr uint32_t kUnchanged = 0xffffffff;
  owner.uid = owner.uid == kUnchanged ? 0 : owner.uid;
  owner.gid = owner.gid == kUnchanged ? 0 : owner.gid;
  return std::optional<Owner>(owner);
}

}  // namespace cairn::ops
