// The keys of Table::kMeta. They are the on-disk format.
#pragma once

namespace cairn::blob {

inline constexpr char kMetaFormat[] = "format";               // of the whole store, decimal
inline constexpr char kMetaBootId[] = "boot-id";              // of the kernel that opened it last
inline constexpr char kMetaDurableEpoch[] = "durable-epoch";  // decimal, see durability.h
inline constexpr char kMetaSuspect[] = "suspect";             // there when a sync has failed
inline constexpr char kMetaClean[] = "clean";                 // there after a clean close
inline constexpr char kMetaLostPrefix[] = "lost/";    // + digest: a blob that a power loss took
inline constexpr char kMetaUseOrder[] = "use-order";  // decimal, of gc::Usage
inline constexpr char kMetaRecordNumber[] = "record-number";  // decimal, of the next record
inline constexpr char kMetaDoomedPrefix[] = "doomed/";        // + path: see gc/owned_directories.h

}  // namespace cairn::blob
