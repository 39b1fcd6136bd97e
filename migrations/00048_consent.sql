-- +goose Up
-- An identity provider's word makes new people only: whoever is somebody here already comes
-- into one more account by a session of their own, not because its owner runs a provider
-- that says so.

-- +goose StatementBegin
create or replace function join_by_provider(account uuid, identity bytea, address text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
    invitation bytea := (
        select i.token_hash from public.invitations i
        where i.account_id = account and i.email = address and i.token_hash is not null
            and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
            and not exists (select from public.sso_identities k where k.identity_hash = identity)
        order by i.created_at desc limit 1);
    person uuid;
begin
    if invitation is null then
        return;
    end if;
    insert into public.users as u (email) values (address) on conflict on constraint users_email_key do nothing
    returning u.id into person;
    if person is not null then
        perform public.join_by_invitation(invitation, address, person);
    end if;
end
$$;
-- +goose StatementEnd
comment on function join_by_provider(uuid, bytea, text) is 'takes in who is invited to the account, was nobody here before, and whom its identity provider vouches for';

-- +goose StatementBegin
create function entered_by(account uuid) returns text
language sql stable security definer set search_path = ''
as $$
    select p.slug from public.sso_providers p join public.members m on m.account_id = p.account_id
    where p.account_id = account and p.required and m.user_id = public.current_user_id() and m.role <> 'owner'
        and not public.current_sso()
$$;
-- +goose StatementEnd
comment on function entered_by(uuid) is 'the name of the identity provider by which alone the person may enter an account of theirs; null: also by the session that was presented';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.entered_by(uuid) owner to imago_definer';
    execute 'revoke execute on function public.entered_by(uuid) from public';
    execute 'grant execute on function public.entered_by(uuid) to imago_api';
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
