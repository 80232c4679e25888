// The sockets of a Gloo group. Gloo has no way to end a call that is under way, but closing the
// connections below it does that, for this worker and the others.
#pragma once
#ifdef CANALR_GLOO
#include <cstdint>
#include <vector>

#include "engine/team/gloo_inside.h"
#include "engine/team/meeting.h"

namespace canal {

class Connections {
 public:
  // All workers make this at the same time, as they tell each other where they listened.
  Connections(c10d::ProcessGroupGloo& group, c10d::TCPStore& table);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Both ends see their connections closed.
  void shut() const;
  // Ranks that closed their end.
  std::vector<int> closed() const;
  // As the kernel counts them, those of closed connections too.
  int64_t bytes_sent() const;

 private:
  // Duplicates of Gloo's descriptors, which keep naming the same connections when Gloo has closed
  // its own and the system has given the number to another file. By rank; -1 for this worker.
  std::vector<int> sockets_;
};

}  // namespace canal
#endif
