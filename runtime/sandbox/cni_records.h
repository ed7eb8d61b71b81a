// What a CNI network has attached, written down: plugins hand out addresses that only a DEL gives
// back, so a daemon that is started after one that died deletes what that one had.
//
// One file per attachment, named by its container id, in a directory of the network's own. Not
// thread-safe for one id; different ids may be used at a time.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::sandbox {

class CniRecords {
 public:
  struct Record {
    std::string id;        // CNI_CONTAINERID
    std::string hostname;  // may be empty
    std::string result;    // the last plugin's, JSON; empty while the plugins work
  };

  // Without a directory (empty) nothing is written down. It is made when it is missing.
  static StatusOr<CniRecords> Open(const std::string& directory);

  // Writes `record`, over an earlier one of the same id.
  Status Put(const Record& record) const;
  void Remove(const std::string& id) const;
  // All, in no order. A file that cannot be read counts as a record with its id alone.
  std::vector<Record> List() const;

 private:
  explicit CniRecords(std::string directory);

  std::string directory_;
};

}  // namespace cairn::sandbox
