//! Cells put together from the pieces in which they come.

use bytes::BytesMut;
use cairn_rpc::proto::storage::Cell;
use tonic::Status;

use crate::record::{CELL_LEN_MAX, TABLE_LEN_MAX};

/// A cell of which not all pieces are there. Its memory is taken with its first piece and goes with the cell: a connection
/// that waits for the next piece holds no more than the piece's own.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    stripe: u32,
    rest_len: usize,
    data: BytesMut,
    frame_hashes: BytesMut,
}

impl Pieces {
    /// Takes the next piece; answers the cell when it was the last one. A cell of one piece is not copied.
    ///
    /// # Errors
    /// The piece is not the next one, or the cell is too long.
    pub(super) fn take(&mut self, piece: Cell) -> Result<Option<Cell>, Status> {
        let rest_len = usize::try_from(piece.rest_len).unwrap_or(usize::MAX);
        let whole_len = piece.data.len().saturating_add(rest_len);
        if whole_len > CELL_LEN_MAX || piece.frame_hashes.len() > TABLE_LEN_MAX {
            return Err(Status::invalid_argument("a cell is at most 1 MiB"));
        }
        let mut begun = match self.begun.take() {
            Some(begun) if begun.stripe != piece.stripe || begun.rest_len != whole_len => {
                return Err(Status::invalid_argument("not the next piece of the cell"));
            }
            Some(begun) => begun,
            None if rest_len == 0 => {
                return Ok(Some(piece));
            }
            None => Begun {
                stripe: piece.stripe,
                rest_len,
                data: BytesMut::with_capacity(whole_len),
                frame_hashes: BytesMut::new(),
            },
        };
        begun.rest_len = rest_len;
        // The copy lets go of the connection's buffer, which would else be as long as the cell for as long as it is open.
        begun.data.extend_from_slice(&piece.data);
        begun.frame_hashes.extend_from_slice(&piece.frame_hashes);
        if rest_len > 0 {
            self.begun = Some(begun);
            return Ok(None);
        }
        Ok(Some(Cell {
            data: begun.data.freeze(),
            frame_hashes: begun.frame_hashes.freeze(),
            ..piece
        }))
    }

    /// Whether a cell is begun and not whole.
    pub(super) fn is_within(&self) -> bool {
        self.begun.is_some()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn piece(stripe: u32, data: &'static [u8], rest_len: u32) -> Cell {
        Cell {
            stripe,
            data: Bytes::from_static(data),
            frame_hashes: Bytes::from_static(b"hash"),
            rest_len,
            is_followed: true,
        }
    }

    #[test]
    fn pieces_in_order_are_a_cell() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.take(piece(3, b"abc", 5)).unwrap(), None);
        assert_eq!(pieces.take(piece(3, b"de", 3)).unwrap(), None);
        assert!(pieces.is_within());
        let cell = pieces.take(piece(3, b"fgh", 0)).unwrap().unwrap();
        assert_eq!((cell.stripe, cell.is_followed), (3, true));
        assert_eq!(cell.data, &b"abcdefgh"[..]);
        assert_eq!(cell.frame_hashes, &b"hashhashhash"[..]);
        assert!(!pieces.is_within());
        let whole = piece(4, b"whole", 0);
        assert_eq!(pieces.take(whole.clone()).unwrap(), Some(whole));
    }

    #[test]
    fn other_pieces_are_refused() {
        for other in [piece(4, b"de", 3), piece(3, b"de", 4), piece(3, b"fgh", 0)] {
            let mut pieces = Pieces::default();
            assert_eq!(pieces.take(piece(3, b"abc", 5)).unwrap(), None);
            assert!(pieces.take(other).is_err());
        }
        assert!(Pieces::default().take(piece(0, b"a", 1 << 20)).is_err());
        assert!(Pieces::default().take(piece(0, b"a", u32::MAX)).is_err());
    }
}
