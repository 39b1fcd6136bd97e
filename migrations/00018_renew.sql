-- +goose Up
-- The key pair of a service app can be replaced: it was lost, or somebody else may have
-- seen it. The api writes the sealed half and cannot read it; guard_credential holds the
-- write app's as it is while a restore may be writing.
grant update (key_id, public_jwk, sealed_key) on credentials to imago_api;

-- Where nobody new is let in, no code is mailed to addresses that no member has.
alter table sign_in_codes add column members_only boolean not null default false;
comment on column sign_in_codes.members_only is 'no code is mailed unless a member has the address; whoever asked cannot tell';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with the code that it has just begun.
-- +goose StatementBegin
create function keep_to_members(but_the_first boolean) returns void
language sql volatile security definer set search_path = ''
as $$
    update public.sign_in_codes c set members_only = true
    where c.id = public.current_code_id() and session_user = 'imago_api'
        and (not but_the_first or exists (select from public.accounts))
$$;
-- +goose StatementEnd
comment on function keep_to_members(boolean) is 'a code that is mailed to members only; but the first: unless there is no account yet';

-- +goose StatementBegin
create or replace function set_code_hash(code_hash bytea)
returns table (email text, expires_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    update public.sign_in_codes c set code_hash = set_code_hash.code_hash
    where c.id = public.current_code_id() and c.verified_at is null
        and current_setting('app.proof_kind', true) = 'job'
        and (not c.members_only or exists (
            select from public.users u join public.members m on m.user_id = u.id where u.email = c.email))
    returning c.email, c.expires_at
$$;
-- +goose StatementEnd
comment on function set_code_hash(bytea) is 'stores what the code that is about to be mailed is checked against; answers where to, and nothing where none is to be mailed';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.keep_to_members(boolean) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.keep_to_members(boolean) from public';
    execute 'grant execute on function public.keep_to_members(boolean) to imago_api';
end
$$;
-- +goose StatementEnd
