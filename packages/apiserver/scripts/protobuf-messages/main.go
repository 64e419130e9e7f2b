// Prints, as JSON, what packages/apiserver/src/protobuf must know of the protobuf form of Kubernetes' built-in kinds:
// field numbers, names and shapes, read from the struct tags of the published Go types. See README.md beside this file.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var roots = map[string][]any{
	"v1": {&corev1.Binding{}, &corev1.ConfigMap{}, &corev1.Endpoints{}, &corev1.Event{}, &corev1.LimitRange{}, &corev1.Namespace{},
		&corev1.Node{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &corev1.Pod{}, &corev1.PodTemplate{},
		&corev1.ReplicationController{}, &corev1.ResourceQuota{}, &corev1.Secret{}, &corev1.Service{}, &corev1.ServiceAccount{},
		&metav1.DeleteOptions{}},
	"apps/v1":                   {&appsv1.ControllerRevision{}, &appsv1.DaemonSet{}, &appsv1.Deployment{}, &appsv1.ReplicaSet{}, &appsv1.StatefulSet{}},
	"authentication.k8s.io/v1":  {&authenticationv1.SelfSubjectReview{}, &authenticationv1.TokenRequest{}, &authenticationv1.TokenReview{}},
	"authorization.k8s.io/v1":   {&authorizationv1.LocalSubjectAccessReview{}, &authorizationv1.SelfSubjectAccessReview{}, &authorizationv1.SelfSubjectRulesReview{}, &authorizationv1.SubjectAccessReview{}},
	"autoscaling/v1":            {&autoscalingv1.Scale{}},
	"autoscaling/v2":            {&autoscalingv2.HorizontalPodAutoscaler{}},
	"batch/v1":                  {&batchv1.CronJob{}, &batchv1.Job{}},
	"certificates.k8s.io/v1":    {&certificatesv1.CertificateSigningRequest{}},
	"coordination.k8s.io/v1":    {&coordinationv1.Lease{}},
	"discovery.k8s.io/v1":       {&discoveryv1.EndpointSlice{}},
	"events.k8s.io/v1":          {&eventsv1.Event{}},
	"networking.k8s.io/v1":      {&networkingv1.Ingress{}, &networkingv1.IngressClass{}, &networkingv1.NetworkPolicy{}},
	"node.k8s.io/v1":            {&nodev1.RuntimeClass{}},
	"policy/v1":                 {&policyv1.Eviction{}, &policyv1.PodDisruptionBudget{}},
	"rbac.authorization.k8s.io/v1": {&rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}},
	"scheduling.k8s.io/v1":      {&schedulingv1.PriorityClass{}},
	"storage.k8s.io/v1":         {&storagev1.CSIDriver{}, &storagev1.CSINode{}, &storagev1.StorageClass{}, &storagev1.VolumeAttachment{}},
}

// Types whose JSON is not what their fields say.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time", "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "microTime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration", "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "rawJson",
	"k8s.io/apimachinery/pkg/runtime.RawExtension": "rawJson", "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intOrString",
}

type message map[string][]any // field number -> [json name, shape, flags]

var messages = map[string]message{}

func nameOf(t reflect.Type) string {
	path := t.PkgPath()
	path = strings.TrimPrefix(path, "k8s.io/api/")
	path = strings.TrimPrefix(path, "k8s.io/apimachinery/pkg/apis/")
	return path + "." + t.Name()
}

func shape(t reflect.Type) string {
	if s, ok := special[t.PkgPath()+"."+t.Name()]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if t.Name() != "" && t.Elem().Kind() == reflect.String { // ExtraValue: a message around the list
			return "strings"
		}
		return "[]" + shape(t.Elem())
	case reflect.Map:
		return "{}" + shape(t.Elem())
	case reflect.Struct:
		visit(t)
		return nameOf(t)
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Float64:
		return "double"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Int16, reflect.Int8:
		return "int"
	}
	panic("unknown kind " + t.Kind().String() + " of " + t.String())
}

func visit(t reflect.Type) {
	name := nameOf(t)
	if _, ok := messages[name]; ok {
		return
	}
	m := message{}
	messages[name] = m
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		pb := f.Tag.Get("protobuf")
		if pb == "" || pb == "-" {
			continue
		}
		number := strings.Split(pb, ",")[1]
		js := strings.Split(f.Tag.Get("json"), ",")
		flags := ""
		if f.Type.Kind() == reflect.Pointer {
			flags += "p"
		}
		for _, o := range js[1:] {
			if o == "omitempty" {
				flags += "o"
			}
			if o == "inline" {
				flags += "i"
			}
		}
		if js[0] == "" && !strings.Contains(flags, "i") {
			flags += "i"
		}
		m[number] = []any{js[0], shape(f.Type), flags}
	}
}

func main() {
	kinds := map[string]string{}
	for apiVersion, objects := range roots {
		for _, o := range objects {
			t := reflect.TypeOf(o).Elem()
			visit(t)
			kinds[apiVersion+"/"+t.Name()] = nameOf(t)
		}
	}
	// One line a message keeps differences between versions readable.
	out := os.Stdout
	write := func(s string) { out.WriteString(s) }
	names := make([]string, 0, len(messages))
	for n := range messages {
		names = append(names, n)
	}
	sort.Strings(names)
	k, _ := json.Marshal(kinds)
	write("{\n\"kinds\": " + string(k) + ",\n\"messages\": {\n")
	for i, n := range names {
		b, _ := json.Marshal(messages[n])
		sep := ","
		if i == len(names)-1 {
			sep = ""
		}
		write("  \"" + n + "\": " + string(b) + sep + "\n")
	}
	write("}\n}\n")
}
