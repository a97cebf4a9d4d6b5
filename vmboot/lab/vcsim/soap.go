package main

import (
	"bytes"
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// SOAP as far as the front needs it: the name and target of a request without
// decoding it whole, and the encoding of our own answers and faults.

// call is one API call.
type call struct {
	name   string
	this   types.ManagedObjectReference
	raw    []byte
	user   string // empty without a session
	key    string // the session's
	modern bool   // the client knows API 8
}

// peekCall reads method name and target from a request, and stops there.
func peekCall(raw []byte) (call, bool) {
	c := call{raw: raw}
	d := xml.NewDecoder(bytes.NewReader(raw))
	inBody := false
	for {
		tok, err := d.Token()
		if err != nil {
			return c, false
		}
		start, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case !inBody:
			inBody = start.Name.Local == "Body"
		case c.name == "":
			c.name = start.Name.Local
		case start.Name.Local == "_this":
			return c, d.DecodeElement(&c.this, &start) == nil
		default:
			return c, c.name != ""
		}
	}
}

// child returns the raw text of the first <name> element below the body,
// however deep; it tells "not sent" from "sent empty or zero", which the
// decoded Go types do not.
func (c call) child(path ...string) (string, bool) {
	d := xml.NewDecoder(bytes.NewReader(c.raw))
	depth := 0
	for {
		tok, err := d.Token()
		if err != nil {
			return "", false
		}
		start, ok := tok.(xml.StartElement)
		if !ok || start.Name.Local != path[depth] {
			continue
		}
		if depth++; depth == len(path) {
			var text string
			if d.DecodeElement(&text, &start) != nil {
				return "", false
			}
			return text, true
		}
	}
}

const (
	envelopeHead = xml.Header + `<soapenv:Envelope` +
		` xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"` +
		` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
		` xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	envelopeTail = `</soapenv:Body></soapenv:Envelope>`
	vimNamespace = "urn:vim25"
)

func encodeResponse(response interface{}) []byte {
	var out bytes.Buffer
	out.WriteString(envelopeHead)
	name := reflect.TypeOf(response).Elem().Name()
	start := xml.StartElement{Name: xml.Name{Space: vimNamespace, Local: name}}
	encode(&out, response, start)
	out.WriteString(envelopeTail)
	return out.Bytes()
}

func encodeFault(fault types.BaseMethodFault, message string) []byte {
	var out bytes.Buffer
	kind := faultName(fault)
	if message == "" {
		message = faultMessage(fault)
	}
	out.WriteString(envelopeHead)
	out.WriteString(`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>`)
	_ = xml.EscapeText(&out, []byte(message))
	out.WriteString(`</faultstring><detail>`)
	encode(&out, fault, xml.StartElement{
		Name: xml.Name{Local: kind + "Fault"},
		Attr: []xml.Attr{
			{Name: xml.Name{Local: "xmlns"}, Value: vimNamespace},
			{Name: xml.Name{Local: "xsi:type"}, Value: kind},
		},
	})
	out.WriteString(`</detail></soapenv:Fault>`)
	out.WriteString(envelopeTail)
	return out.Bytes()
}

func encode(out *bytes.Buffer, value interface{}, start xml.StartElement) {
	e := xml.NewEncoder(out)
	if err := e.EncodeElement(value, start); err != nil {
		panic(err) // our own values always encode
	}
	if err := e.Flush(); err != nil {
		panic(err)
	}
}

func faultName(fault types.BaseMethodFault) string {
	return reflect.TypeOf(fault).Elem().Name()
}
