package main

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// assign stores the struct that from points to in the struct that into points
// to.
func assign(into, from interface{}) error {
	src, dst := reflect.ValueOf(from), reflect.ValueOf(into)
	if src.Kind() == reflect.Ptr && src.Type() == dst.Type() {
		dst.Elem().Set(src.Elem())
		return nil
	}
	return fmt.Errorf("%T is not %T", from, into)
}

// shallowCopy returns a new device with the same fields, so that the old one,
// which a reader may hold, is never changed in place.
func shallowCopy(d types.BaseVirtualDevice) types.BaseVirtualDevice {
	old := reflect.ValueOf(d).Elem()
	clone := reflect.New(old.Type())
	clone.Elem().Set(old)
	return clone.Interface().(types.BaseVirtualDevice)
}

// invoke calls a method of a simulator object; some releases pass a context,
// some do not.
func invoke(object interface{}, method string, ctx *simulator.Context, request interface{}) soap.HasFault {
	m := reflect.ValueOf(object).MethodByName(method)
	args := []reflect.Value{reflect.ValueOf(request)}
	if m.Type().NumIn() == 2 {
		args = append([]reflect.Value{reflect.ValueOf(ctx)}, args...)
	}
	return m.Call(args)[0].Interface().(soap.HasFault)
}

// setFields returns the names of the fields of a struct that are not zero.
func setFields(v interface{}) []string {
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Ptr {
		value = value.Elem()
	}
	var names []string
	for i := 0; i < value.NumField(); i++ {
		if !value.Field(i).IsZero() {
			names = append(names, value.Type().Field(i).Name)
		}
	}
	return names
}

// taskReference reads the task out of the answer of a simulator method.
func taskReference(res soap.HasFault) types.ManagedObjectReference {
	return reflect.ValueOf(res).Elem().FieldByName("Res").Elem().
		FieldByName("Returnval").Interface().(types.ManagedObjectReference)
}
