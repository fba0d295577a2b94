//! Pure: can a packet from this source reach this port, and can the reply get back, hop by hop?
