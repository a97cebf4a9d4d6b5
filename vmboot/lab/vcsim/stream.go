package main

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// Reading a streamOptimized VMDK as a host does while it is uploaded: once,
// from its start to its end-of-stream marker (VMware's "Virtual Disk Format
// 5.0", "Stream-Optimized Compressed Sparse Extents").

const (
	sparseMagic     = 0x564d444b // "KDMV"
	sparseHeader    = 512
	flagNewlineTest = 1 << 0
	flagCompressed  = 1 << 16
	flagMarkers     = 1 << 17
	deflate         = 1
	directoryAtEnd  = ^uint64(0)

	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3

	maxStreamOverhead = 1 << 16 // sectors before the first grain
	maxGrain          = 1 << 11 // sectors; a writer uses 128
)

// sparseExtentHeader is SparseExtentHeader of the format's description.
type sparseExtentHeader struct {
	Magic            uint32
	Version          uint32
	Flags            uint32
	Capacity         uint64
	GrainSize        uint64
	DescriptorOffset uint64
	DescriptorSize   uint64
	NumGTEsPerGT     uint32
	RgdOffset        uint64
	GdOffset         uint64
	OverHead         uint64
	UncleanShutdown  uint8
	Newlines         [4]byte
	Algorithm        uint16
}

// streamReader decodes one stream into w.
type streamReader struct {
	r        *bufio.Reader
	w        io.WriterAt
	head     sparseExtentHeader
	next     uint64 // the first sector that no grain has passed yet
	footer   bool
	listed   int // grains of a directory in front, -1 when it comes at the end
	seen     int
	inflater io.ReadCloser
	grain    []byte
}

// decodeStream writes the grains of a streamOptimized VMDK of at most capacity
// bytes to w; what no grain covers stays as it is.
func decodeStream(from io.Reader, w io.WriterAt, capacity int64) error {
	s := &streamReader{r: bufio.NewReaderSize(from, 1<<20), w: w}
	if err := s.readHead(); err != nil {
		return err
	}
	if s.head.Capacity > uint64(capacity/sector) {
		return fmt.Errorf("the VMDK holds %d sectors, the disk %d", s.head.Capacity, capacity/sector)
	}
	for {
		end, err := s.readMarker()
		switch {
		case errors.Is(err, io.EOF) && s.listed >= 0 && s.seen == s.listed:
			return nil // as qemu-img writes it: a directory in front, no end marker
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the stream ends before its end-of-stream marker")
		}
		if err != nil {
			return err
		}
		if end {
			if err := s.checkEnd(); err != nil {
				return err
			}
			return atEnd(s.r)
		}
	}
}

// atEnd reads what follows the end-of-stream marker: zeros at most.
func atEnd(body io.Reader) error {
	buffer := make([]byte, 1<<16)
	for {
		n, err := body.Read(buffer)
		if len(bytes.TrimLeft(buffer[:n], "\x00")) > 0 {
			return errors.New("there are bytes after the end-of-stream marker")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.New("the upload ended early")
		}
	}
}

// readHead reads and checks what comes before the first marker.
func (s *streamReader) readHead() error {
	raw := make([]byte, sparseHeader)
	if _, err := io.ReadFull(s.r, raw); err != nil {
		return errors.New("the stream is shorter than a header")
	}
	_ = binary.Read(bytes.NewReader(raw), binary.LittleEndian, &s.head)
	h := &s.head
	switch {
	case h.Magic != sparseMagic:
		return errors.New("not a sparse VMDK")
	case h.Version < 1 || h.Version > 3:
		return fmt.Errorf("version %d of the sparse format", h.Version)
	case h.Flags&flagCompressed == 0 || h.Flags&flagMarkers == 0 || h.Algorithm != deflate:
		return errors.New("not streamOptimized: no compressed grains with markers")
	case h.Flags&flagNewlineTest != 0 && string(h.Newlines[:]) != "\n \r\n":
		return errors.New("changed by a transfer in text mode")
	case h.Capacity == 0 || h.GrainSize < 8 || h.GrainSize > maxGrain || bits.OnesCount64(h.GrainSize) != 1:
		return fmt.Errorf("capacity %d with grains of %d sectors", h.Capacity, h.GrainSize)
	case h.OverHead < 1 || h.OverHead > maxStreamOverhead:
		return fmt.Errorf("%d sectors of overhead", h.OverHead)
	}
	rest := make([]byte, (h.OverHead-1)*sector)
	if _, err := io.ReadFull(s.r, rest); err != nil {
		return errors.New("the stream ends before its first grain")
	}
	if err := h.checkDescriptor(rest); err != nil {
		return err
	}
	s.listed = -1
	if h.GdOffset != directoryAtEnd {
		s.listed = h.countGrains(rest)
	}
	return nil
}

// countGrains counts the grains that the directory in front lists; rest begins
// at sector 1.
func (h *sparseExtentHeader) countGrains(rest []byte) int {
	word := func(at uint64) uint32 { // the 32-bit number at a byte of the stream
		if at < sector || at-sector+4 > uint64(len(rest)) {
			return 0
		}
		return binary.LittleEndian.Uint32(rest[at-sector:])
	}
	count := 0
	perTable := uint64(h.NumGTEsPerGT)
	if perTable == 0 || perTable > 1<<16 || h.GdOffset > maxStreamOverhead {
		return 0
	}
	tables := (h.Capacity/h.GrainSize + perTable) / perTable
	for t := uint64(0); t < tables && t < maxStreamOverhead; t++ {
		table := uint64(word(h.GdOffset*sector + 4*t))
		for g := uint64(0); table != 0 && g < perTable; g++ {
			if word(table*sector+4*g) > 1 { // 0: no grain, 1: a grain of zeros
				count++
			}
		}
	}
	return count
}

// checkDescriptor: the embedded descriptor says what the extent is.
func (h *sparseExtentHeader) checkDescriptor(rest []byte) error {
	from, to := (h.DescriptorOffset-1)*sector, (h.DescriptorOffset-1+h.DescriptorSize)*sector
	if h.DescriptorOffset == 0 || h.DescriptorSize == 0 || h.DescriptorSize > h.OverHead || to > uint64(len(rest)) {
		return errors.New("no embedded descriptor")
	}
	text := string(bytes.TrimRight(rest[from:to], "\x00"))
	if !strings.Contains(text, `createType="streamOptimized"`) {
		return errors.New("the descriptor does not say streamOptimized")
	}
	return nil
}

// readMarker reads one marker with what follows it.
func (s *streamReader) readMarker() (end bool, err error) {
	raw := make([]byte, sector)
	if _, err := io.ReadFull(s.r, raw[:16]); err != nil {
		return false, err
	}
	value, size := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint32(raw[8:])
	if size > 0 {
		return false, s.readGrain(value, size, raw[12:16])
	}
	if _, err := io.ReadFull(s.r, raw[16:]); err != nil {
		return false, err
	}
	kind := binary.LittleEndian.Uint32(raw[12:])
	switch {
	case kind == markerEnd && value == 0:
		return true, nil
	case kind == markerTable || kind == markerDirectory:
		if value > 1<<20 {
			return false, fmt.Errorf("a marker of %d sectors", value)
		}
		_, err := io.CopyN(io.Discard, s.r, int64(value)*sector)
		return false, err
	case kind == markerFooter && value == 1:
		return false, s.readFooter()
	}
	return false, fmt.Errorf("bad marker: type %d of %d sectors", kind, value)
}

func (s *streamReader) readFooter() error {
	raw := make([]byte, sector)
	if _, err := io.ReadFull(s.r, raw); err != nil {
		return err
	}
	var footer sparseExtentHeader
	_ = binary.Read(bytes.NewReader(raw), binary.LittleEndian, &footer)
	if footer.Magic != sparseMagic || footer.Capacity != s.head.Capacity || footer.GdOffset == directoryAtEnd {
		return errors.New("bad footer")
	}
	s.footer = true
	return nil
}

func (s *streamReader) checkEnd() error {
	if s.head.GdOffset == directoryAtEnd && !s.footer {
		return errors.New("the stream has no footer")
	}
	return nil
}

// readGrain inflates one grain; first are the bytes of it that the marker's
// read took along.
func (s *streamReader) readGrain(lba uint64, size uint32, first []byte) error {
	h := &s.head
	switch {
	case lba%h.GrainSize != 0 || lba >= h.Capacity:
		return fmt.Errorf("bad marker: a grain at sector %d of %d", lba, h.Capacity)
	case lba < s.next:
		return fmt.Errorf("grain %d comes out of order", lba)
	case uint64(size) > 2*h.GrainSize*sector:
		return fmt.Errorf("bad marker: a grain of %d bytes", size)
	}
	packed := make([]byte, (12+int(size)+sector-1)/sector*sector-12)
	copy(packed, first)
	if _, err := io.ReadFull(s.r, packed[len(first):]); err != nil {
		return err
	}
	if err := s.inflate(packed[:size]); err != nil {
		return fmt.Errorf("grain %d: %w", lba, err)
	}
	s.next = lba + h.GrainSize
	s.seen++
	return s.write(int64(lba) * sector)
}

func (s *streamReader) inflate(packed []byte) error {
	var err error
	if s.inflater == nil {
		s.inflater, err = zlib.NewReader(bytes.NewReader(packed))
	} else {
		err = s.inflater.(zlib.Resetter).Reset(bytes.NewReader(packed), nil)
	}
	if err != nil {
		return errors.New("not compressed")
	}
	limit := int64(s.head.GrainSize) * sector
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(s.inflater, limit+1))
	if err != nil || n == 0 || n > limit || n%sector != 0 {
		return fmt.Errorf("%d bytes inside instead of %d", n, limit)
	}
	s.grain = out.Bytes()
	return nil
}

// write leaves a grain of zeros a hole, and what is past the capacity out.
func (s *streamReader) write(at int64) error {
	if past := at + int64(len(s.grain)) - int64(s.head.Capacity)*sector; past > 0 {
		s.grain = s.grain[:int64(len(s.grain))-past]
	}
	if len(bytes.TrimLeft(s.grain, "\x00")) == 0 {
		return nil
	}
	_, err := s.w.WriteAt(s.grain, at)
	return err
}
