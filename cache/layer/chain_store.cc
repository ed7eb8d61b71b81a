#include "cache/layer/chain_store.h"

#include <list>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"
#include "runtime/base/sync.h"

namespace cairn::layer {
namespace {

constexpr size_t kRememberedChains = 1024;

// Names the lists of deltas: of none, and of `below` with `delta` on top.
Digest KeyOfScratch() { return Digest::Of("chain 1"); }
Digest KeyOnTop(const Digest& below, const Digest& delta) {
  return Digest::Of(absl::StrCat(below.raw(), delta.raw()));
}

std::vector<Digest> KeysOf(const Chain& chain) {
  std::vector<Digest> keys = {KeyOfScratch()};
  for (const Layer& layer : chain.layers) {
    keys.push_back(KeyOnTop(keys.back(), layer.delta.digest));
  }
  return keys;
}

struct Applied {
  tree::TreeRef tree;
  // The directories that are in no delta: nothing else keeps them stored.
  std::vector<Digest> made;
};

}  // namespace

// The trees of the chains used last, by key.
struct ChainStore::Memory {
  using Item = std::pair<Digest, std::shared_ptr<const Applied>>;

  std::shared_ptr<const Applied> Find(const Digest& key) {
    MutexLock lock(mu);
    const auto found = index.find(key);
    if (found == index.end()) {
      return nullptr;
    }
    order.splice(order.begin(), order, found->second);
    return order.front().second;
  }

  void Insert(const Digest& key, std::shared_ptr<const Applied> applied) {
    MutexLock lock(mu);
    const auto found = index.find(key);
    if (found != index.end()) {
      found->second->second = std::move(applied);
      return;
    }
    order.emplace_front(key, std::move(applied));
    index[key] = order.begin();
    if (order.size() > kRememberedChains) {
      index.erase(order.back().first);
      order.pop_back();
    }
  }

  Mutex mu;
  std::list<Item> order ABSL_GUARDED_BY(mu);  // used last first
  absl::flat_hash_map<Digest, std::list<Item>::iterator> index ABSL_GUARDED_BY(mu);
};

ChainStore::ChainStore(tree::TreeStore& trees, blob::Database& database)
    : trees_(trees), database_(database), memory_(std::make_unique<Memory>()) {}

ChainStore::~ChainStore() = default;

namespace {

// Whether all that Apply made is still stored; asking keeps it so.
StatusOr<bool> IsStored(tree::TreeStore& trees, const Applied& applied) {
  for (const Digest& digest : applied.made) {
    ASSIGN_OR_RETURN(const bool stored, trees.blobs().Contains(digest));
    if (!stored) {
      return false;
    }
  }
  return true;
}

// Whether `delta` has a directory that hides all below it.
StatusOr<bool> HasOpaque(tree::TreeStore& trees, const tree::TreeRef& delta) {
  if (!delta.Has(tree::TreeRef::kHasWhiteouts)) {
    return false;
  }
  ASSIGN_OR_RETURN(const auto root, trees.Load(delta.digest));
  bool found = root->opaque;
  RETURN_IF_ERROR(tree::Walk(trees, delta,
                             [&found](const std::string&, const tree::Entry&,
                                      const tree::Directory* directory) -> StatusOr<tree::Visit> {
                               found = found || (directory != nullptr && directory->opaque);
                               return found ? tree::Visit::kStop : tree::Visit::kContinue;
                             }));
  return found;
}

// What the layer `index` of `chain` changes, naming each entry that it removes: on other layers it
// must not hide what it never saw.
StatusOr<Layer> WithoutOpaque(ChainStore& chains, const Chain& chain, size_t index) {
  const auto end = chain.layers.begin() + static_cast<ptrdiff_t>(index);
  Chain prefix{{chain.layers.begin(), end}, chain.content};
  ASSIGN_OR_RETURN(const tree::TreeRef before, chains.TreeOf(prefix));
  prefix.layers.push_back(chain.layers[index]);
  ASSIGN_OR_RETURN(const tree::TreeRef after, chains.TreeOf(prefix));
  ASSIGN_OR_RETURN(std::optional<tree::TreeRef> delta, tree::Diff(chains.trees(), before, after));
  if (!delta) {
    ASSIGN_OR_RETURN(delta, chains.trees().Empty());
  }
  return Layer{*std::move(delta), std::nullopt};
}

}  // namespace

StatusOr<Chain> ChainStore::Scratch() {
  ASSIGN_OR_RETURN(const tree::TreeRef empty, trees_.Empty());
  return Chain{{}, empty.content};
}

StatusOr<tree::TreeRef> ChainStore::TreeOf(const Chain& chain) {
  const std::vector<Digest> keys = KeysOf(chain);
  std::shared_ptr<const Applied> known;
  size_t from = chain.layers.size();
  for (; from > 0; --from) {
    known = memory_->Find(keys[from]);
    if (known != nullptr) {
      ASSIGN_OR_RETURN(const bool stored, IsStored(trees_, *known));
      if (stored) {
        break;
      }
      known = nullptr;
    }
  }
  if (known == nullptr) {
    ASSIGN_OR_RETURN(const tree::TreeRef empty, trees_.Empty());
    known = std::make_shared<const Applied>(Applied{empty, {empty.digest}});
  }
  for (; from < chain.layers.size(); ++from) {
    tree::Changes changes;
    ASSIGN_OR_RETURN_IN(const tree::TreeRef applied,
                        tree::Apply(trees_, known->tree, chain.layers[from].delta, &changes),
                        absl::StrCat("apply layer ", from + 1, " of ", chain.layers.size()));
    Applied next{applied, {}};
    for (const Digest& digest : known->made) {
      if (!changes.replaced.contains(digest)) {
        next.made.push_back(digest);
      }
    }
    next.made.insert(next.made.end(), changes.made.begin(), changes.made.end());
    known = std::make_shared<const Applied>(std::move(next));
    memory_->Insert(keys[from + 1], known);
  }
  return known->tree;
}

StatusOr<Chain> ChainStore::Append(const Chain& base, Layer layer) {
  // What a layer comes to on a base is remembered on disk too: a cached build then applies nothing.
  const Digest key = KeyOnTop(KeysOf(base).back(), layer.delta.digest);
  const std::string memo_key = absl::StrCat("append:", key.raw());
  ASSIGN_OR_RETURN(const auto memo, database_.Get(blob::Table::kMemo, memo_key));
  if (memo && memo->size() == 2 * Digest::kSize) {
    ASSIGN_OR_RETURN(const Digest delta, Digest::FromRaw(string_view(*memo).substr(0, 32)));
    ASSIGN_OR_RETURN(const Digest content, Digest::FromRaw(string_view(*memo).substr(32)));
    StatusOr<tree::TreeRef> ref = trees_.RefOf(delta);
    if (ref.ok()) {
      Chain chain = base;
      layer.delta = *ref;
      chain.layers.push_back(std::move(layer));
      chain.content = content;
      return chain;
    }
  }
  return AppendNew(base, std::move(layer), key);
}

StatusOr<Chain> ChainStore::AppendNew(const Chain& base, Layer layer, const Digest& memo_key) {
  ASSIGN_OR_RETURN(const tree::TreeRef below, TreeOf(base));
  ASSIGN_OR_RETURN_IN(layer.delta, tree::Complete(trees_, below, layer.delta), "complete layer");
  Chain chain = base;
  chain.layers.push_back(std::move(layer));
  ASSIGN_OR_RETURN(const tree::TreeRef whole, TreeOf(chain));
  chain.content = whole.content;
  RETURN_IF_ERROR(
      database_.Put(blob::Table::kMemo, absl::StrCat("append:", memo_key.raw()),
                    absl::StrCat(chain.layers.back().delta.digest.raw(), chain.content.raw())));
  return chain;
}

StatusOr<Chain> ChainStore::Extend(const Chain& base, const tree::TreeRef& tree, bool keep_empty) {
  ASSIGN_OR_RETURN(const tree::TreeRef below, TreeOf(base));
  ASSIGN_OR_RETURN(std::optional<tree::TreeRef> delta, tree::Diff(trees_, below, tree));
  if (!delta) {
    if (!keep_empty) {
      return base;
    }
    ASSIGN_OR_RETURN(const auto root, trees_.Load(tree.digest));
    tree::Directory nothing;
    nothing.metadata = root->metadata;
    ASSIGN_OR_RETURN(delta, trees_.Store(std::move(nothing)));
  }
  return Append(base, Layer{*std::move(delta), std::nullopt});
}

StatusOr<Chain> ChainStore::Single(const tree::TreeRef& tree) {
  ASSIGN_OR_RETURN(const Chain scratch, Scratch());
  return Append(scratch, Layer{tree, std::nullopt});
}

StatusOr<Chain> ChainStore::Merge(const std::vector<Chain>& inputs) {
  if (inputs.empty()) {
    return Scratch();
  }
  Chain merged = inputs.front();
  for (size_t i = 1; i < inputs.size(); ++i) {
    for (const Layer& layer : inputs[i].layers) {
      ASSIGN_OR_RETURN(merged, Append(merged, layer));
    }
  }
  return merged;
}

StatusOr<Chain> ChainStore::Difference(const Chain& lower, const Chain& upper) {
  ASSIGN_OR_RETURN(Chain difference, Scratch());
  size_t common = 0;
  while (common < lower.layers.size() && common < upper.layers.size() &&
         lower.layers[common].delta == upper.layers[common].delta) {
    ++common;
  }
  if (common == lower.layers.size()) {
    for (; common < upper.layers.size(); ++common) {
      Layer layer = upper.layers[common];
      ASSIGN_OR_RETURN(const bool opaque, HasOpaque(trees_, layer.delta));
      if (opaque && !lower.layers.empty()) {
        ASSIGN_OR_RETURN(layer, WithoutOpaque(*this, upper, common));
      }
      ASSIGN_OR_RETURN(difference, Append(difference, std::move(layer)));
    }
    return difference;
  }
  ASSIGN_OR_RETURN(const tree::TreeRef before, TreeOf(lower));
  ASSIGN_OR_RETURN(const tree::TreeRef after, TreeOf(upper));
  ASSIGN_OR_RETURN(std::optional<tree::TreeRef> delta, tree::Diff(trees_, before, after));
  if (!delta) {
    return difference;
  }
  return Append(difference, Layer{*std::move(delta), std::nullopt});
}

}  // namespace cairn::layer
