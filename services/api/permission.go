package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"imago/pkg/account"
	imagov1 "imago/proto/imago/v1"
	rpc "imago/proto/imago/v1/imagov1connect"
)

// permission says who may call an RPC.
type permission struct {
	public  bool           // before sign-in
	action  account.Action // what the member's role must allow; "" with a session: every member
	pending bool           // also for a session that waits for its second factor
	stepUp  bool           // only for who proved in the last ten minutes who they are
	tokens  bool           // also for every API token, though it names no action
}

// public is for the RPCs by which people sign in, and for what everybody may know.
var public = permission{public: true}

// member is for what concerns only one's own session.
var member = permission{}

// waiting is for what completes a sign-in, or concerns only one's own session.
var waiting = permission{pending: true}

func may(a account.Action) permission { return permission{action: a} }

// proven is for what cannot be taken back, or opens a door: whoever comes upon a session
// that was left open must not be able to do it.
func (p permission) proven() permission {
	p.stepUp = true
	return p
}

// permissions is the one table of RPCs and who may call them. An RPC without a row
// keeps the api from starting.
var permissions = map[string]permission{
	rpc.SignInServiceGetSignInMethodsProcedure: public,
	rpc.SignInServiceRequestCodeProcedure:      public,
	rpc.SignInServiceExchangeCodeProcedure:     public,
	rpc.SignInServiceWhoAmIProcedure:           {tokens: true},
	rpc.SignInServiceSignOutProcedure:          member,

	rpc.SessionServiceListSessionsProcedure:        member,
	rpc.SessionServiceRevokeSessionProcedure:       member,
	rpc.SessionServiceRevokeOtherSessionsProcedure: member,
	rpc.SessionServiceRequestStepUpProcedure:       member,
	rpc.SessionServiceStepUpProcedure:              member,

	// EnrollTotp asks for a step-up itself, of who is in: a session that waits has none to give.
	rpc.FactorServiceGetFactorsProcedure:          waiting,
	rpc.FactorServiceEnrollTotpProcedure:          waiting,
	rpc.FactorServiceConfirmTotpProcedure:         waiting,
	rpc.FactorServiceVerifyTotpProcedure:          waiting,
	rpc.FactorServiceRemoveTotpProcedure:          member.proven(),
	rpc.FactorServiceRequireSecondFactorProcedure: may(account.EditSecurity).proven(),

	rpc.MailServiceGetMailPreferencesProcedure:    member,
	rpc.MailServiceUpdateMailPreferencesProcedure: member,
	rpc.TokenServiceCreateTokenProcedure:          member.proven(),
	rpc.TokenServiceListTokensProcedure:           member,
	rpc.TokenServiceRevokeTokenProcedure:          member,

	// What a machine is let in with outlives the session that lets it in.
	rpc.DeviceServiceBeginDeviceProcedure:    public,
	rpc.DeviceServiceExchangeDeviceProcedure: public,
	rpc.DeviceServiceGetDeviceProcedure:      member,
	rpc.DeviceServiceApproveDeviceProcedure:  member.proven(),
	rpc.DeviceServiceDenyDeviceProcedure:     member,

	// As EnrollTotp, BeginPasskeyRegistration asks for a step-up itself.
	rpc.PasskeyServiceBeginPasskeySignInProcedure:        public,
	rpc.PasskeyServiceFinishPasskeySignInProcedure:       public,
	rpc.PasskeyServiceListPasskeysProcedure:              waiting,
	rpc.PasskeyServiceBeginPasskeyRegistrationProcedure:  waiting,
	rpc.PasskeyServiceFinishPasskeyRegistrationProcedure: waiting,
	rpc.PasskeyServiceBeginPasskeyProofProcedure:         waiting,
	rpc.PasskeyServiceFinishPasskeyProofProcedure:        waiting,
	rpc.PasskeyServiceRemovePasskeyProcedure:             member.proven(),

	rpc.SsoServiceBeginSsoProcedure:  public,
	rpc.SsoServiceFinishSsoProcedure: public,
	rpc.SsoServiceGetSsoProcedure:    may(account.ViewAccount),
	rpc.SsoServiceSetSsoProcedure:    may(account.EditSso).proven(),
	rpc.SsoServiceDeleteSsoProcedure: may(account.EditSso).proven(),

	rpc.AccountServiceGetDeletionProcedure:    may(account.ViewAccount),
	rpc.AccountServiceDeleteAccountProcedure:  may(account.DeleteAccount).proven(),
	rpc.AccountServiceCancelDeletionProcedure: may(account.DeleteAccount),

	rpc.KeyServiceGetKeysProcedure:      may(account.ViewAccount),
	rpc.KeyServiceRotateKeyProcedure:    may(account.EditKeys).proven(),
	rpc.KeyServiceRetireKeysProcedure:   may(account.EditKeys).proven(),
	rpc.KeyServiceCreateEscrowProcedure: may(account.EditKeys).proven(),
	rpc.KeyServiceGetEscrowProcedure:    may(account.EditKeys),
	rpc.KeyServiceDeleteEscrowProcedure: may(account.EditKeys).proven(),

	rpc.ConnectionServiceCreateConnectionProcedure:   may(account.EditConnection),
	rpc.ConnectionServiceSetCredentialProcedure:      may(account.EditConnection).proven(),
	rpc.ConnectionServiceReplaceKeyProcedure:         may(account.EditConnection).proven(),
	rpc.ConnectionServiceUpdateConnectionProcedure:   may(account.EditConnection),
	rpc.ConnectionServiceCheckConnectionProcedure:    may(account.EditConnection),
	rpc.ConnectionServiceDeleteConnectionProcedure:   may(account.DeleteConnection).proven(),
	rpc.ConnectionServiceCreateDemoProcedure:         may(account.EditConnection),
	rpc.ConnectionServiceSwitchDemoAppProcedure:      may(account.ApproveRestore),
	rpc.ConnectionServiceSetScheduleProcedure:        may(account.EditConnection),
	rpc.ConnectionServiceSetRetentionProcedure:       may(account.EditConnection).proven(),
	rpc.ConnectionServicePreviewRetentionProcedure:   may(account.ViewAccount),
	rpc.ConnectionServiceGetConnectionProcedure:      may(account.ViewAccount),
	rpc.ConnectionServiceGetRepositoryCheckProcedure: may(account.ViewAccount),
	rpc.ConnectionServiceListConnectionsProcedure:    may(account.ViewAccount),

	rpc.SnapshotServiceTakeSnapshotProcedure:   may(account.TakeSnapshot),
	rpc.SnapshotServicePinSnapshotProcedure:    may(account.TakeSnapshot),
	rpc.SnapshotServiceUnpinSnapshotProcedure:  may(account.EditConnection).proven(),
	rpc.SnapshotServiceGiveUpSnapshotProcedure: may(account.EditConnection).proven(),
	rpc.SnapshotServiceCreateDownloadProcedure: may(account.Download).proven(),
	rpc.SnapshotServiceGetSnapshotProcedure:    may(account.ViewAccount),
	rpc.SnapshotServiceListSnapshotsProcedure:  may(account.ViewAccount),
	rpc.SnapshotServiceWatchSnapshotProcedure:  may(account.ViewAccount),
	rpc.SnapshotServiceListResourcesProcedure:  may(account.OpenSnapshot),
	rpc.SnapshotServiceGetResourceProcedure:    may(account.OpenSnapshot),
	rpc.SnapshotServiceSearchSnapshotProcedure: may(account.OpenSnapshot),
	rpc.SnapshotServiceListVersionsProcedure:   may(account.OpenSnapshot),
	rpc.SnapshotServiceCompareProcedure:        may(account.OpenSnapshot),

	// A list of findings leaves the directory's data out for those who may not open
	// snapshots; one finding, and a plan, are nothing but that.
	rpc.DriftServiceListFindingsProcedure:    may(account.ViewAccount),
	rpc.DriftServiceGetFindingProcedure:      may(account.OpenSnapshot),
	rpc.DriftServiceResolveFindingProcedure:  may(account.ResolveFinding),
	rpc.DriftServiceSetFindingStateProcedure: may(account.ResolveFinding),

	rpc.OverviewServiceGetOverviewProcedure: may(account.ViewAccount),

	rpc.RestoreServicePlanRestoreProcedure:    may(account.PlanRestore),
	rpc.RestoreServiceGetRestoreProcedure:     may(account.OpenSnapshot),
	rpc.RestoreServiceListRestoresProcedure:   may(account.ViewAccount),
	rpc.RestoreServiceWatchRestoreProcedure:   may(account.OpenSnapshot),
	rpc.RestoreServiceApproveRestoreProcedure: may(account.ApproveRestore).proven(),
	rpc.RestoreServiceApplyRestoreProcedure:   may(account.ApproveRestore).proven(),
	rpc.RestoreServiceCancelRestoreProcedure:  may(account.PlanRestore),
	rpc.RestoreServiceCloseRestoreProcedure:   may(account.ApproveRestore).proven(),

	rpc.TeamServiceListMembersProcedure:      may(account.ViewAccount),
	rpc.TeamServiceUpdateMemberProcedure:     may(account.EditMembers).proven(),
	rpc.TeamServiceRemoveMemberProcedure:     may(account.EditMembers).proven(),
	rpc.TeamServiceLeaveAccountProcedure:     member.proven(),
	rpc.TeamServiceCreateInvitationProcedure: may(account.EditMembers).proven(),
	rpc.TeamServiceListInvitationsProcedure:  may(account.EditMembers),
	rpc.TeamServiceRevokeInvitationProcedure: may(account.EditMembers),
	rpc.TeamServiceResendInvitationProcedure: may(account.EditMembers).proven(),
	rpc.TeamServiceAcceptInvitationProcedure: member,
	rpc.TeamServiceListAccountsProcedure:     member,
	rpc.TeamServiceSwitchAccountProcedure:    member,
	rpc.TeamServiceUpdateAccountProcedure:    may(account.EditAccount),

	rpc.ActivityServiceListActivityProcedure: may(account.ViewActivity),

	rpc.BillingServiceListPlansProcedure:      public,
	rpc.BillingServiceGetBillingProcedure:     may(account.ViewAccount),
	rpc.BillingServiceCreateCheckoutProcedure: may(account.EditBilling),
	rpc.BillingServiceCreatePortalProcedure:   may(account.EditBilling),
}

// procedures lists every RPC of the contract as its path, sorted.
func procedures() []string {
	var out []string
	protoregistry.GlobalFiles.RangeFilesByPackage(imagov1.File_imago_v1_problem_proto.Package(), func(f protoreflect.FileDescriptor) bool {
		for _, m := range methods(f) {
			out = append(out, procedure(m))
		}
		return true
	})
	slices.Sort(out)
	return out
}

func methods(f protoreflect.FileDescriptor) []protoreflect.MethodDescriptor {
	var out []protoreflect.MethodDescriptor
	for i := range f.Services().Len() {
		s := f.Services().Get(i)
		for j := range s.Methods().Len() {
			out = append(out, s.Methods().Get(j))
		}
	}
	return out
}

func procedure(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

// checkPermissions refuses a table that lacks an RPC, or has one too many.
func checkPermissions(table map[string]permission, contract []string) error {
	rows := slices.Sorted(maps.Keys(table))
	var wrong []string
	for _, p := range contract {
		if _, ok := table[p]; !ok {
			wrong = append(wrong, p+" has no permission")
		}
	}
	for _, p := range rows {
		if !slices.Contains(contract, p) {
			wrong = append(wrong, p+" is not in the contract")
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("permissions: %s", strings.Join(wrong, "; "))
	}
	return nil
}
