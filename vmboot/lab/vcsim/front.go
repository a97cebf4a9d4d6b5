package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// front is the HTTPS server that clients take for the vCenter.
type front struct {
	url        string
	thumbprint string
	server     *http.Server
}

const (
	sessionCookie = "vmware_soap_session"
	maxRequest    = 64 << 20
	sdkPath       = "/sdk"
)

func startFront(l *lab) (*front, error) {
	listener, err := net.Listen("tcp", l.listen)
	if err != nil {
		return nil, err
	}
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	host := listener.Addr().String()
	l.address, l.sha1Thumbprint = host, sha1Thumbprint(certificate.Certificate[0])
	l.svc.Listen = &url.URL{
		Scheme: "https", Host: host, Path: sdkPath, User: url.UserPassword(l.user, l.password),
	}
	l.svc.RegisterSDK(l.reg)
	l.reg.SessionManager().ServiceHostName = host
	mux := http.NewServeMux()
	mux.HandleFunc(sdkPath, l.serveSDK)
	mux.HandleFunc(sdkPath+"/", l.serveSDK)
	mux.HandleFunc(sdkPath+"/vimServiceVersions.xml", l.svc.ServiceVersions)
	mux.HandleFunc(folderPrefix, l.serveFolder)
	mux.HandleFunc(nfcPrefix, l.serveNFC)
	server := &http.Server{
		Handler:   mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return &front{
		url:        "https://" + host + sdkPath,
		thumbprint: thumbprint(certificate.Certificate[0]),
		server:     server,
	}, nil
}

func (f *front) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
}

// selfSigned makes a certificate as a fresh appliance has one.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "vcsim.lab", Organization: []string{"vmboot lab"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost", "vcsim.lab"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return colons(sum[:])
}

func sha1Thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return colons(sum[:])
}

func colons(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// serveSDK takes one API call through the gates and answers it.
func (l *lab) serveSDK(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c, ok := peekCall(raw)
	if !ok {
		writeFault(w, c, &types.InvalidRequest{}, "not a SOAP request")
		return
	}
	l.counters.count(c.name)
	c.modern = speaksModern(r.Header.Get("SOAPAction"))
	c.key, c.user = l.identify(r)
	l.delay.sleep()
	if injected := l.faults.take(c.name, l.subject(c), immediateKinds); injected != nil {
		l.inject(w, r, c, injected)
		return
	}
	l.answer(w, r, c)
}

// subject is the name of the VM or entity that a call is made on.
func (l *lab) subject(c call) string {
	if vm := l.vm(c.this); vm != nil {
		return vm.Name
	}
	if lease, ok := l.reg.Get(c.this).(*nfcLease); ok {
		return lease.name
	}
	return ""
}

// identify finds the session that a request belongs to.
func (l *lab) identify(r *http.Request) (key, user string) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", ""
	}
	key = strings.Trim(cookie.Value, `"`)
	user, expired := l.sessions.find(key)
	if expired {
		l.rules.hit("session-idle")
	}
	return key, user
}

// answer carries a call out: ours by our rules, the rest by the simulator.
func (l *lab) answer(w http.ResponseWriter, r *http.Request, c call) {
	if no := l.admit(c); no != nil {
		l.note(no)
		writeFault(w, c, no.fault, no.message)
		return
	}
	if handler, ok := handlers[c.name]; ok {
		response, no := handler(l, c)
		switch {
		case no != nil:
			l.note(no)
			writeFault(w, c, no.fault, no.message)
			return
		case response != nil:
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			_, _ = w.Write(encodeResponse(response))
			return
		}
	}
	l.pass(w, r, c)
}

// speaksModern is true for clients of API 8 and later: a vCenter sends older
// ones no element that they do not know.
func speaksModern(action string) bool {
	version := strings.Trim(action, `"`)
	version = version[strings.LastIndex(version, "/")+1:]
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	return err == nil && major >= 8
}

func writeFault(w http.ResponseWriter, c call, fault types.BaseMethodFault, message string) {
	if !c.modern {
		stripModern(fault)
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(encodeFault(fault, message))
}

// pass hands a call to the simulator, and keeps our session table in step.
func (l *lab) pass(w http.ResponseWriter, r *http.Request, c call) {
	clone := r.Clone(r.Context())
	clone.URL.Path = sdkPath
	clone.Body = io.NopCloser(bytes.NewReader(c.raw))
	if c.user == "" {
		clone.Header.Del("Cookie")
	}
	l.svc.ServeSDK(w, clone)
	switch c.name {
	case "Login", "CloneSession":
		for _, cookie := range (&http.Response{Header: w.Header()}).Cookies() {
			if cookie.Name == sessionCookie {
				l.sessions.add(cookie.Value, l.user)
			}
		}
	case "Logout":
		l.sessions.drop(c.key)
	}
}
